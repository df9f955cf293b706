# What a thread of another process runs for us, x86-64 (`machine.rs` has the same as bytes; a test compares).
#
# rdi is the address of a block on the thread's stack; `machine.rs` names its words. Whatever becomes of us, the thread
# comes back to what it did before: when nobody stops it at `spin` in time, it unmaps this code and restores its registers
# from the signal frame behind the block.
.intel_syntax noprefix
call:                           # offset 0: one function, whoever holds the interpreter's lock
  mov rbx, rdi
  jmp run
.balign 16
locked:                         # offset 16: ensure, function, release
  mov rbx, rdi
  mov qword ptr [rbx+64], 1
  call [rbx+40]
  mov [rbx+56], rax
run:
  mov qword ptr [rbx+64], 2
  mov rdi, [rbx+24]
  mov rsi, [rbx+32]
  xor eax, eax
  call [rbx+16]
  mov [rbx+8], rax
  test eax, eax
  jnz 1f
  mov rcx, [rbx+112]            # a successful call may keep what lies behind this code
  test rcx, rcx
  jz 1f
  mov [rbx+80], rcx
1:
  cmp qword ptr [rbx+48], 0
  je finish
  mov qword ptr [rbx+64], 3
  mov rdi, [rbx+56]
  call [rbx+48]
finish:
  mov qword ptr [rbx+64], 4
  mov qword ptr [rbx], 1
  mov rcx, [rbx+96]
spin:                           # no system call: it could be forbidden, and would forget how to start another one again
  pause
  dec rcx
  jnz spin
  mov qword ptr [rbx], 2
  lea rsp, [rbx+128]
  mov rdi, [rbx+72]
  mov rsi, [rbx+80]
  mov eax, 11                   # munmap; what follows stands elsewhere, as this code is gone then
  jmp [rbx+88]
.balign 16
pending:                        # offset 0xa0: a pending call of the interpreter; unmaps itself and returns 0
  push rbx
  mov rbx, rdi
  mov rdi, [rbx]
  xor esi, esi
  xor eax, eax
  call [rbx+8]
  mov rdi, [rbx+16]
  mov rsi, [rbx+24]
  mov rcx, [rbx+32]
  pop rbx
  mov eax, 11
  jmp rcx
.balign 16
probe:                          # offset 0xd0: whether calls work at all
  lea rax, [rdi+rsi*2]
  ret
