# Where exceptions and interrupts arrive. The target's code keeps a red zone below its stack pointer, so each runs on a
# stack of its own (IST). An exception ends the machine: it saves nothing. The timer and devices only say that they came.

    .section .text.traps, "ax", @progbits
    .globl libos_exceptions, libos_timer, libos_devices, libos_spurious
    .balign 16
libos_exceptions:
    .set vector, 0
    .rept 32
    .balign 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp exception
    .set vector, vector + 1
    .endr

    .balign 16
exception:
    movq %rsp, %rdi
    movq %rbp, %rsi
    # a call expects an aligned stack
    andq $-16, %rsp
    cld
    call libos_exception
    ud2

    .balign 16
libos_timer:
    pushq %rax
    movb $1, libos_rang
    movl $0xfee000b0, %eax
    movl $0, (%rax)
    popq %rax
libos_spurious:
    iretq

    .balign 16
libos_devices:
    .set device, 0
    .rept 64
    .balign 16
    pushq $device
    jmp device_rang
    .set device, device + 1
    .endr

    .balign 16
device_rang:
    pushq %rax
    movq 8(%rsp), %rax
    btsq %rax, libos_raised
    movl $0xfee000b0, %eax
    movl $0, (%rax)
    popq %rax
    addq $8, %rsp
    iretq
