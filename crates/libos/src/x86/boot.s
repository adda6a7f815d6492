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
    movl $boot_stack_end, %esp
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
