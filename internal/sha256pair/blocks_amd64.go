package sha256pair

import "golang.org/x/sys/cpu"

// fast tells whether the processor has the instructions, and the system saves the registers that are used.
var fast = cpu.X86.HasAVX && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3 && hasSHA()

// hasSHA tells whether the processor has the SHA extensions (Intel's manual, volume 2, CPUID).
func hasSHA() bool

// blocks takes n blocks from p into a, and from q into b.
//
//go:noescape
func blocks(a, b *state, p, q *byte, n int)
