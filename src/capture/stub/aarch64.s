# What a thread of another process runs for us, aarch64: the same as `x86_64.s`, with the block's address in x0.
call:                           // offset 0
  mov x19, x0
  b run
  .balign 16
locked:                         // offset 16
  mov x19, x0
  mov x9, #1
  str x9, [x19, #64]
  ldr x9, [x19, #40]
  blr x9
  str x0, [x19, #56]
run:
  mov x9, #2
  str x9, [x19, #64]
  ldr x0, [x19, #24]
  ldr x1, [x19, #32]
  ldr x9, [x19, #16]
  blr x9
  str x0, [x19, #8]
  cbnz w0, 1f
  ldr x9, [x19, #112]           // a successful call may keep what lies behind this code
  cbz x9, 1f
  str x9, [x19, #80]
1:
  ldr x9, [x19, #48]
  cbz x9, finish
  mov x10, #3
  str x10, [x19, #64]
  ldr x0, [x19, #56]
  blr x9
finish:
  mov x9, #4
  str x9, [x19, #64]
  mov x9, #1
  stlr x9, [x19]
  ldr x10, [x19, #96]
spin:
  yield
  subs x10, x10, #1
  b.ne spin
  mov x9, #2
  stlr x9, [x19]
  add x9, x19, #128
  mov sp, x9
  ldr x0, [x19, #72]
  ldr x1, [x19, #80]
  mov x8, #215                  // munmap
  ldr x30, [x19, #104]          // and then rt_sigreturn
  ldr x9, [x19, #88]
  br x9
  .balign 16
pending:                        // offset 0xc0
  stp x29, x30, [sp, #-32]!
  mov x29, sp
  str x19, [sp, #16]
  mov x19, x0
  ldr x0, [x19]
  mov x1, #0
  ldr x9, [x19, #8]
  blr x9
  ldr x0, [x19, #16]
  ldr x1, [x19, #24]
  ldr x9, [x19, #32]
  ldr x19, [sp, #16]
  ldp x29, x30, [sp], #32
  mov x8, #215
  br x9
  .balign 16
probe:                          // offset 0x100
  add x0, x0, x1, lsl #1
  ret
