//go:build !amd64

package sha256pair

const fast = false

func blocks(_, _ *state, _, _ *byte, _ int) { panic("unreachable: not fast") }
