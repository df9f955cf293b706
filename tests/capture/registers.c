/* Fills the vector registers with known values, waits some rounds, and says whether they are still there. */
#include <string.h>

#if defined(__x86_64__)
#define FILL(n) "vmovups " #n "*32(%1), %%ymm" #n "\n"
#define SPILL(n) "vmovups %%ymm" #n ", " #n "*32(%2)\n"
#define OLD_FILL(n) "movups " #n "*32(%1), %%xmm" #n "\n"
#define OLD_SPILL(n) "movups %%xmm" #n ", " #n "*32(%2)\n"
#define ALL(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
#define REGISTERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
    "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc"

int registers_are_kept(long rounds)
{
    static _Thread_local unsigned char before[16][32], after[16][32];
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 32; column++)
            before[row][column] = after[row][column] = row * 37 + column * 11 + 1;
    if (__builtin_cpu_supports("avx")) {
        memset(after, 0, sizeof after);
        __asm__ volatile(ALL(FILL) "1: dec %0\njnz 1b\n" ALL(SPILL) "vzeroupper\n"
                         : "+r"(rounds) : "r"(before), "r"(after) : REGISTERS);
    } else {
        __asm__ volatile(ALL(OLD_FILL) "1: dec %0\njnz 1b\n" ALL(OLD_SPILL)
                         : "+r"(rounds) : "r"(before), "r"(after) : REGISTERS);
    }
    return memcmp(before, after, sizeof before) == 0;
}
#else
int registers_are_kept(long rounds)
{
    volatile double sum = 0;
    for (long round = 0; round < rounds; round++)
        sum += 0.5;
    return sum == rounds * 0.5;
}
#endif
