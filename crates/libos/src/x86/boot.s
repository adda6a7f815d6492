# The PVH entry (Xen, docs/misc/pvh.pandoc): 32-bit protected mode without paging, interrupts off, the physical address
# of hvm_start_info in ebx. It maps the first 4 GiB to themselves and goes on in 64-bit mode.

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad _start

    .section .rodata.boot, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_too_small:
    .asciz "libos: too little memory: the program needs "
boot_unit:
    .asciz " MiB\r\n"
boot_gdt_pointer:
    .short 23
    .long boot_gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_root:        .skip 4096
boot_directories: .skip 4096
boot_pages:       .skip 4 * 4096
boot_stack:       .skip 64 * 1024
boot_stack_end:

    .section .text.boot, "ax", @progbits
    .code32
    .globl _start
_start:
    cli
    cld
    # The program's last pages hold its stack. Is there one region of RAM (kind 1) that has all of the program? What has no
    # memory map is told later.
    cmpl $1, 4(%ebx)
    jb 4f
    movl 40(%ebx), %esi
    movl 48(%ebx), %ecx
1:  jecxz 5f
    decl %ecx
    cmpl $1, 16(%esi)
    jne 2f
    cmpl $0, 4(%esi)
    jne 2f
    movl (%esi), %eax
    cmpl $__ehdr_start, %eax
    ja 2f
    movl 12(%esi), %edx
    addl 8(%esi), %eax
    adcl $0, %edx
    jnz 4f
    cmpl $_end, %eax
    jae 4f
2:  addl $24, %esi
    jmp 1b
    # Nothing but registers and what is loaded can be used: tell what is needed (ebx), the program's end or what its manifest says
    # (the note's number is behind its head of 20 bytes), and end with Status::Boot by the debug port, or else by a reset.
5:  movl $_end + 0xfffff, %ebx
    shrl $20, %ebx
    cmpl %ebx, libos_memory + 20
    jb 1f
    movl libos_memory + 20, %ebx
1:  movl $boot_too_small, %esi
    movl $2f, %ebp
    jmp boot_say
    # Its digits: by 10 until the divisor is the largest power in it, then down.
2:  movl $1, %ecx
3:  leal (%ecx, %ecx, 4), %edi
    addl %edi, %edi
    cmpl %ebx, %edi
    ja 6f
    movl %edi, %ecx
    jmp 3b
6:  movl %ebx, %eax
    xorl %edx, %edx
    divl %ecx
    movl %edx, %ebx
    addb $'0', %al
    movw $0x3f8, %dx
    outb %al, %dx
    movl %ecx, %eax
    xorl %edx, %edx
    movl $10, %edi
    divl %edi
    movl %eax, %ecx
    testl %ecx, %ecx
    jnz 6b
    movl $boot_unit, %esi
    movl $7f, %ebp
    # Says the text at esi, and goes on at ebp.
boot_say:
    lodsb
    testb %al, %al
    jz 1f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp boot_say
1:  jmp *%ebp
7:  movb $102, %al
    outb %al, $0xf4
    movb $0xfe, %al
    outb %al, $0x64
8:  hlt
    jmp 8b
4:  movl $boot_stack_end, %esp
    movl $boot_directories + 3, boot_root
    movl $boot_pages + 3, %eax
    movl %eax, boot_directories
    addl $4096, %eax
    movl %eax, boot_directories + 8
    addl $4096, %eax
    movl %eax, boot_directories + 16
    addl $4096, %eax
    movl %eax, boot_directories + 24
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, boot_pages(,%ecx,8)
    incl %ecx
    cmpl $2048, %ecx
    jne 1b
    movl $boot_root, %eax
    movl %eax, %cr3
    # physical-address extension, SSE and its exceptions
    movl $0x620, %eax
    movl %eax, %cr4
    # long mode, no-execute
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    # protection, FPU, write protection for the kernel too, paging
    movl $0x80010033, %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $2f
    .code64
2:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    xorl %ebp, %ebp
    movl %ebx, %edi
    call libos_boot
    ud2
