//! The processors that calls can be injected on: code, calls and signal frames, each on any machine, as far as that goes.

use std::path::Path;
use std::process::Command;

use retainers::capture::machine::{AARCH64, HOST, Machine, X86_64, block};
use retainers::capture::state::State;

use crate::support::command::Workshop;
use crate::support::skipped;

const MACHINES: [&Machine; 2] = [&X86_64, &AARCH64];

/// The bytes that an assembler makes of the source; `None` where there is no assembler for it.
fn assembled(machine: &Machine) -> Option<Vec<u8>> {
    let workshop = Workshop::new();
    let (object, text) = (workshop.path().join("code.o"), workshop.path().join("code"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/capture/stub/{}.s", machine.name));
    let own = HOST.is_some_and(|host| host.name == machine.name).then(String::new);
    let prefix = own.unwrap_or_else(|| format!("{}-linux-gnu-", machine.name));
    let run = |tool: &str, arguments: &[&Path]| {
        let status = Command::new(format!("{prefix}{tool}")).args(arguments).status();
        status.is_ok_and(|status| status.success())
    };
    let is_made = run("as", &[&source, Path::new("-o"), &object])
        && run(
            "objcopy",
            &["-O", "binary", "-j", ".text"].map(Path::new).into_iter().chain([&*object, &*text]).collect::<Vec<_>>(),
        );
    is_made.then(|| std::fs::read(text).unwrap())
}

#[test]
fn code_is_what_its_source_says() {
    for machine in MACHINES {
        match assembled(machine) {
            Some(bytes) => assert_eq!(bytes, machine.code, "{}", machine.name),
            None => {
                skipped("capture::machine::code_is_what_its_source_says", &format!("no assembler for {}", machine.name))
            }
        }
    }
}

/// A state of known registers: each holds its own offset, but the given ones.
fn recorded(machine: &Machine, extended: Vec<(usize, Vec<u8>)>, registers: &[(usize, u64)]) -> State {
    let mut state = State { general: vec![0; machine.registers], extended, mask: 0x1234 };
    (0..machine.registers).step_by(8).for_each(|offset| state.set(offset, 0x1000 + offset as u64));
    registers.iter().for_each(|(offset, value)| state.set(*offset, *value));
    state
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

fn half(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

/// The extended state of a processor with AMX, as the kernel gives it: 11,008 bytes.
fn extended(features: u64) -> Vec<(usize, Vec<u8>)> {
    let mut bytes = vec![7; 11_008];
    bytes[464..512].fill(0);
    bytes[464..472].copy_from_slice(&0x6_02e7_u64.to_le_bytes());
    bytes[512..520].copy_from_slice(&features.to_le_bytes());
    vec![(0x202, bytes)]
}

#[test]
fn a_frame_of_x86_64_holds_every_register_where_the_kernel_looks_for_it() {
    let entered = X86_64.entered.unwrap();
    let state = recorded(&X86_64, extended(7), &[(entered, u64::MAX)]);
    let frame = (X86_64.frame)(0x7000, 0x4444, &state);
    assert_eq!(word(&frame, 0), 0x4444, "the address that it returns to");
    assert_eq!(word(&frame, 8), 7, "it has an extended state, and segments");
    assert_eq!(word(&frame, 32), 0x7fff, "flags by which the alternative stack stays what it is");
    // r8 to r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags; by their places in `struct user_regs_struct`
    let order = [9, 8, 7, 6, 3, 2, 1, 0, 14, 13, 4, 5, 12, 10, 11, 19, 16, 18];
    for (place, index) in order.into_iter().enumerate() {
        assert_eq!(word(&frame, 48 + 8 * place), 0x1000 + 8 * index, "register {place}");
    }
    assert_eq!(word(&frame, 192), 0x1088 | 0x10a0 << 48, "segments of code and stack");
    assert_eq!(word(&frame, 232), 0x7000 + 448, "the address of the extended state");
    assert_eq!(word(&frame, 304), 0x1234, "signals that are held back");
    let extended = &frame[448..];
    assert_eq!((half(extended, 464), half(extended, 468)), (0x4650_5853, 2700));
    assert_eq!((word(extended, 472), half(extended, 480)), (0x2e7, 2696), "no AMX in it, no room for it");
    assert_eq!((extended.len(), half(extended, 2696)), (2700, 0x4650_5845));
}

#[test]
fn a_frame_of_x86_64_keeps_what_amx_holds() {
    let frame = (X86_64.frame)(0x7000, 0, &recorded(&X86_64, extended(7 | 3 << 17), &[]));
    let extended = &frame[448..];
    assert_eq!((half(extended, 480), extended.len()), (11_008, 11_012));
    assert_eq!(word(extended, 472), 0x6_02e7);
}

#[test]
fn a_frame_of_x86_64_starts_an_interrupted_call_again_or_says_so() {
    let (entered, result, instruction) = (X86_64.entered.unwrap(), X86_64.result, X86_64.instruction);
    let after = |returned: i64| {
        let registers = [(entered, 35), (result, returned.cast_unsigned()), (instruction, 0x9000)];
        let frame = (X86_64.frame)(0x7000, 0, &recorded(&X86_64, extended(7), &registers));
        (word(&frame, 48 + 8 * 13), word(&frame, 48 + 8 * 16))
    };
    for restarted in [-512, -513, -514] {
        assert_eq!(after(restarted), (35, 0x8ffe), "{restarted}");
    }
    assert_eq!(after(-516), ((-4_i64).cast_unsigned(), 0x9000));
    assert_eq!(after(17), (17, 0x9000));
}

#[test]
fn a_frame_of_aarch64_holds_every_register_where_the_kernel_looks_for_it() {
    let vectors: Vec<u8> = (0..528_u32).map(|index| (index % 251) as u8).collect();
    let state = recorded(&AARCH64, vec![(2, vectors.clone())], &[]);
    let frame = (AARCH64.frame)(0x7000, 0, &state);
    assert_eq!(word(&frame, 128 + 24), 0x7fff, "flags by which the alternative stack stays what it is");
    assert_eq!(word(&frame, 128 + 40), 0x1234, "signals that are held back");
    // x0 to x30, stack, instruction, state, behind the address of a fault
    for index in 0..34 {
        assert_eq!(word(&frame, 312 + 8 * index), 0x1000 + 8 * index as u64, "register {index}");
    }
    assert_eq!((half(&frame, 592), half(&frame, 596)), (0x4650_8001, 528));
    assert_eq!(frame[600..608], vectors[512..520], "status and control");
    assert_eq!(frame[608..1120], vectors[..512], "vectors");
    assert_eq!((word(&frame, 1120), frame.len()), (0, 592 + 4096));
}

/// A program that runs the code as a thread would, on a processor that is emulated, and says whether it came back by the frame.
const PROGRAM: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
static uint64_t order[8], count;
static uint64_t lock(void) { order[count++] = 1; return 77; }
static uint64_t unlock(uint64_t locked) { order[count++] = 100 + locked; return 0; }
static uint64_t function(uint64_t first, uint64_t second) { order[count++] = first * 10 + second; return 4711; }
extern char system_call[], signal_return[];
__asm__(".text\n.globl system_call\nsystem_call: svc #0\nret\n.globl signal_return\nsignal_return: mov x8, #139\nsvc #0\n");
static unsigned char stack[65536] __attribute__((aligned(64)));
static uint64_t * volatile block;
static volatile int came_back;
int main(int argc, char **argv)
{
    static unsigned char code[4096], frame[8192];
    FILE *file = fopen(argv[1], "rb");
    size_t code_len = fread(code, 1, CODE, file), frame_len = fread(frame, 1, sizeof frame, file);
    fclose(file);
    unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, code_len);
    __builtin___clear_cache((char *)page, (char *)page + 4096);
    uint64_t (*probe)(uint64_t, uint64_t) = (void *)(page + PROBE);
    block = (void *)(stack + 32768);
    memset(block, 0, 128);
    memcpy((char *)block + 128, frame, frame_len);
    ucontext_t here;
    getcontext(&here);
    if (!came_back) {
        came_back = 1;
        /* the frame leads back to where getcontext returned */
        memcpy((char *)block + 128 + 312, here.uc_mcontext.regs, 31 * 8);
        memcpy((char *)block + 128 + 312 + 31 * 8, &here.uc_mcontext.sp, 24);
        memcpy((char *)block + 128 + 168, &here.uc_sigmask, 8);
        uint64_t words[] = {0, 0, (uint64_t)function, 4, 2, (uint64_t)lock, (uint64_t)unlock, 0, 0, (uint64_t)page, 4096,
                            (uint64_t)system_call, 1000, (uint64_t)signal_return, 4096};
        memcpy(block, words, sizeof words);
        if (probe(5, 6) != 17) return 2;
        register uint64_t x0 __asm__("x0") = (uint64_t)block;
        register uint64_t x1 __asm__("x1") = (uint64_t)page + LOCKED;
        __asm__ volatile("mov sp, x0\nbr x1" : : "r"(x0), "r"(x1) : "memory");
    }
    unsigned char resident;
    int is_gone = mincore(page, 4096, &resident) != 0;
    printf("%d %llu %llu %llu %llu %llu %llu\n", is_gone, (unsigned long long)count, (unsigned long long)order[0],
        (unsigned long long)order[1], (unsigned long long)order[2], (unsigned long long)block[0], (unsigned long long)block[1]);
    fflush(stdout);
    _exit(0);
}
"#;

#[test]
fn code_and_frame_of_aarch64_work_on_an_emulated_processor() {
    let name = "capture::machine::code_and_frame_of_aarch64_work_on_an_emulated_processor";
    let workshop = Workshop::new();
    let (source, program) = (workshop.write("program.c", PROGRAM), workshop.path().join("program"));
    let mut bytes = AARCH64.code.to_vec();
    let vectors = vec![0; 528];
    bytes.extend((AARCH64.frame)(0, 0, &recorded(&AARCH64, vec![(2, vectors)], &[])));
    let input = workshop.write("input", bytes);
    let mut compiler = Command::new("aarch64-linux-gnu-gcc");
    compiler.args(["-O0", "-static", "-o"]).arg(&program).arg(&source);
    compiler.arg(format!("-DCODE={}", AARCH64.code.len()));
    compiler.arg(format!("-DPROBE={}", AARCH64.probe)).arg(format!("-DLOCKED={}", AARCH64.locked));
    if !compiler.status().is_ok_and(|status| status.success()) {
        return skipped(name, "no C compiler for aarch64");
    }
    let Ok(output) = Command::new("qemu-aarch64").arg(&program).arg(&input).output() else {
        return skipped(name, "no qemu-aarch64");
    };
    // the page is gone, three calls in order, it has left by itself, and the function's result is there
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, format!("1 3 1 42 177 {} 4711\n", block::LEFT), "{output:?}");
}

#[test]
fn calls_that_wait_are_told_from_those_that_change_memory() {
    for (machine, [futex, map, brk]) in [(&X86_64, [202, 9, 12]), (&AARCH64, [98, 222, 214])] {
        assert!(machine.is_waiting(futex) && !machine.is_waiting(map) && !machine.is_waiting(brk));
        assert_eq!((machine.calls[0], machine.calls[2]), (map, futex));
    }
}
