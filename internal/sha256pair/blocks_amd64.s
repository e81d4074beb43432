// The rounds of SHA-256 for two streams at once, with the SHA extensions: "Intel SHA Extensions", Gulley and others, July 2013, has the method for one.

#include "textflag.h"

// Registers of a stream: its state ABEF and CDGH, and the last 16 words of its schedule. X0 is the operand that SHA256RNDS2 does not name.
#define ABEF1 X1
#define CDGH1 X2
#define ABEF2 X3
#define CDGH2 X4
#define WK    X0
#define TMP1  X13
#define TMP2  X14
#define SWAP  X15

// FOUR does four rounds with the words in w and the constants of these rounds.
#define FOUR(abef, cdgh, w, i) \
	VPADDD      (i*16)(R8), w, WK; \
	SHA256RNDS2 WK, abef, cdgh;    \
	PSHUFD      $0x0e, WK, WK;     \
	SHA256RNDS2 WK, cdgh, abef

// FIRST does the four rounds of words that come from the stream.
#define FIRST(i, w1, w2) \
	VMOVDQU (i*16)(SI), w1;           \
	VMOVDQU (i*16)(DI), w2;           \
	PSHUFB  SWAP, w1;                 \
	PSHUFB  SWAP, w2;                 \
	FOUR(ABEF1, CDGH1, w1, i);        \
	FOUR(ABEF2, CDGH2, w2, i)

// WORDS makes four words of the 16 before them, in place of the oldest.
#define WORDS(a, b, c, d, tmp) \
	VPALIGNR   $4, c, d, tmp; \
	SHA256MSG1 b, a;          \
	PADDD      tmp, a;        \
	SHA256MSG2 d, a

// NEXT does the four rounds of words that come of those before.
#define NEXT(i, a1, b1, c1, d1, a2, b2, c2, d2) \
	WORDS(a1, b1, c1, d1, TMP1); \
	WORDS(a2, b2, c2, d2, TMP2); \
	FOUR(ABEF1, CDGH1, a1, i);   \
	FOUR(ABEF2, CDGH2, a2, i)

// func blocks(a, b *state, p, q *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $64-40
	MOVQ    a+0(FP), AX
	MOVQ    b+8(FP), BX
	MOVQ    p+16(FP), SI
	MOVQ    q+24(FP), DI
	MOVQ    n+32(FP), CX
	LEAQ    ·rounds<>(SB), R8
	VMOVDQU ·swap<>(SB), SWAP
	VMOVDQU 0(AX), ABEF1
	VMOVDQU 16(AX), CDGH1
	VMOVDQU 0(BX), ABEF2
	VMOVDQU 16(BX), CDGH2

block:
	VMOVDQU ABEF1, before-64(SP)
	VMOVDQU CDGH1, before-48(SP)
	VMOVDQU ABEF2, before-32(SP)
	VMOVDQU CDGH2, before-16(SP)

	FIRST(0, X5, X9)
	FIRST(1, X6, X10)
	FIRST(2, X7, X11)
	FIRST(3, X8, X12)
	NEXT(4, X5, X6, X7, X8, X9, X10, X11, X12)
	NEXT(5, X6, X7, X8, X5, X10, X11, X12, X9)
	NEXT(6, X7, X8, X5, X6, X11, X12, X9, X10)
	NEXT(7, X8, X5, X6, X7, X12, X9, X10, X11)
	NEXT(8, X5, X6, X7, X8, X9, X10, X11, X12)
	NEXT(9, X6, X7, X8, X5, X10, X11, X12, X9)
	NEXT(10, X7, X8, X5, X6, X11, X12, X9, X10)
	NEXT(11, X8, X5, X6, X7, X12, X9, X10, X11)
	NEXT(12, X5, X6, X7, X8, X9, X10, X11, X12)
	NEXT(13, X6, X7, X8, X5, X10, X11, X12, X9)
	NEXT(14, X7, X8, X5, X6, X11, X12, X9, X10)
	NEXT(15, X8, X5, X6, X7, X12, X9, X10, X11)

	VPADDD before-64(SP), ABEF1, ABEF1
	VPADDD before-48(SP), CDGH1, CDGH1
	VPADDD before-32(SP), ABEF2, ABEF2
	VPADDD before-16(SP), CDGH2, CDGH2
	ADDQ   $64, SI
	ADDQ   $64, DI
	DECQ   CX
	JNZ    block

	VMOVDQU ABEF1, 0(AX)
	VMOVDQU CDGH1, 16(AX)
	VMOVDQU ABEF2, 0(BX)
	VMOVDQU CDGH2, 16(BX)
	RET

// func hasSHA() bool
TEXT ·hasSHA(SB), NOSPLIT, $0-1
	MOVB  $0, ret+0(FP)
	XORL  AX, AX
	XORL  CX, CX
	CPUID
	CMPL  AX, $7
	JLT   done
	MOVL  $7, AX
	XORL  CX, CX
	CPUID
	BTL   $29, BX
	SETCS ret+0(FP)

done:
	RET

// The words of a stream have their most significant byte first.
DATA ·swap<>+0(SB)/8, $0x0405060700010203
DATA ·swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL ·swap<>(SB), RODATA|NOPTR, $16

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
DATA ·rounds<>+0(SB)/4, $0x428a2f98
DATA ·rounds<>+4(SB)/4, $0x71374491
DATA ·rounds<>+8(SB)/4, $0xb5c0fbcf
DATA ·rounds<>+12(SB)/4, $0xe9b5dba5
DATA ·rounds<>+16(SB)/4, $0x3956c25b
DATA ·rounds<>+20(SB)/4, $0x59f111f1
DATA ·rounds<>+24(SB)/4, $0x923f82a4
DATA ·rounds<>+28(SB)/4, $0xab1c5ed5
DATA ·rounds<>+32(SB)/4, $0xd807aa98
DATA ·rounds<>+36(SB)/4, $0x12835b01
DATA ·rounds<>+40(SB)/4, $0x243185be
DATA ·rounds<>+44(SB)/4, $0x550c7dc3
DATA ·rounds<>+48(SB)/4, $0x72be5d74
DATA ·rounds<>+52(SB)/4, $0x80deb1fe
DATA ·rounds<>+56(SB)/4, $0x9bdc06a7
DATA ·rounds<>+60(SB)/4, $0xc19bf174
DATA ·rounds<>+64(SB)/4, $0xe49b69c1
DATA ·rounds<>+68(SB)/4, $0xefbe4786
DATA ·rounds<>+72(SB)/4, $0x0fc19dc6
DATA ·rounds<>+76(SB)/4, $0x240ca1cc
DATA ·rounds<>+80(SB)/4, $0x2de92c6f
DATA ·rounds<>+84(SB)/4, $0x4a7484aa
DATA ·rounds<>+88(SB)/4, $0x5cb0a9dc
DATA ·rounds<>+92(SB)/4, $0x76f988da
DATA ·rounds<>+96(SB)/4, $0x983e5152
DATA ·rounds<>+100(SB)/4, $0xa831c66d
DATA ·rounds<>+104(SB)/4, $0xb00327c8
DATA ·rounds<>+108(SB)/4, $0xbf597fc7
DATA ·rounds<>+112(SB)/4, $0xc6e00bf3
DATA ·rounds<>+116(SB)/4, $0xd5a79147
DATA ·rounds<>+120(SB)/4, $0x06ca6351
DATA ·rounds<>+124(SB)/4, $0x14292967
DATA ·rounds<>+128(SB)/4, $0x27b70a85
DATA ·rounds<>+132(SB)/4, $0x2e1b2138
DATA ·rounds<>+136(SB)/4, $0x4d2c6dfc
DATA ·rounds<>+140(SB)/4, $0x53380d13
DATA ·rounds<>+144(SB)/4, $0x650a7354
DATA ·rounds<>+148(SB)/4, $0x766a0abb
DATA ·rounds<>+152(SB)/4, $0x81c2c92e
DATA ·rounds<>+156(SB)/4, $0x92722c85
DATA ·rounds<>+160(SB)/4, $0xa2bfe8a1
DATA ·rounds<>+164(SB)/4, $0xa81a664b
DATA ·rounds<>+168(SB)/4, $0xc24b8b70
DATA ·rounds<>+172(SB)/4, $0xc76c51a3
DATA ·rounds<>+176(SB)/4, $0xd192e819
DATA ·rounds<>+180(SB)/4, $0xd6990624
DATA ·rounds<>+184(SB)/4, $0xf40e3585
DATA ·rounds<>+188(SB)/4, $0x106aa070
DATA ·rounds<>+192(SB)/4, $0x19a4c116
DATA ·rounds<>+196(SB)/4, $0x1e376c08
DATA ·rounds<>+200(SB)/4, $0x2748774c
DATA ·rounds<>+204(SB)/4, $0x34b0bcb5
DATA ·rounds<>+208(SB)/4, $0x391c0cb3
DATA ·rounds<>+212(SB)/4, $0x4ed8aa4a
DATA ·rounds<>+216(SB)/4, $0x5b9cca4f
DATA ·rounds<>+220(SB)/4, $0x682e6ff3
DATA ·rounds<>+224(SB)/4, $0x748f82ee
DATA ·rounds<>+228(SB)/4, $0x78a5636f
DATA ·rounds<>+232(SB)/4, $0x84c87814
DATA ·rounds<>+236(SB)/4, $0x8cc70208
DATA ·rounds<>+240(SB)/4, $0x90befffa
DATA ·rounds<>+244(SB)/4, $0xa4506ceb
DATA ·rounds<>+248(SB)/4, $0xbef9a3f7
DATA ·rounds<>+252(SB)/4, $0xc67178f2
GLOBL ·rounds<>(SB), RODATA|NOPTR, $256
