package rpm_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"moromi/internal/rpm"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b rpm.EVR
		want int
	}{
		{rpm.EVR{Version: "1.0", Release: "1"}, rpm.EVR{Version: "1.0", Release: "1"}, 0},
		{rpm.EVR{Version: "1.0", Release: "2"}, rpm.EVR{Version: "1.0", Release: "10"}, -1},
		{rpm.EVR{Epoch: 1, Version: "0.1", Release: "1"}, rpm.EVR{Version: "9", Release: "9"}, 1},
		{rpm.EVR{Version: "1.0~rc1", Release: "9"}, rpm.EVR{Version: "1.0", Release: "1"}, -1},
		{rpm.EVR{Version: "1.0^git1", Release: "1"}, rpm.EVR{Version: "1.0", Release: "9"}, 1},
		{rpm.EVR{Version: "1.0^git1", Release: "1"}, rpm.EVR{Version: "1.0.1", Release: "1"}, -1},
	}
	for _, tt := range tests {
		if got := rpm.Compare(tt.a, tt.b); got != tt.want {
			t.Errorf("Compare(%v, %v) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := rpm.Compare(tt.b, tt.a); got != -tt.want {
			t.Errorf("Compare(%v, %v) = %d, want %d", tt.b, tt.a, got, -tt.want)
		}
	}
}

// TestCompareVersionAgainstRPM asks librpm about pairs of random and of neighbouring versions.
func TestCompareVersionAgainstRPM(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("rpm is not installed")
	}
	const pairs, batch = 3000, 250 // an argument may have 128 KiB
	rng := rand.New(rand.NewPCG(7, 11))
	parts := []string{"1", "0", "01", "10", "9", "a", "b", "Z", "rc", ".", "..", "_", "+", "~", "^", "~~", "^^", "é", "git", "20240101"}
	word := func() string {
		var b strings.Builder
		for range rng.IntN(6) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		return b.String()
	}
	for done := 0; done < pairs; done += batch {
		list := make([][2]string, batch)
		var lua strings.Builder
		lua.WriteString("%{lua: local t = {")
		for i := range list {
			prefix := ""
			if i%2 == 0 { // same start: the interesting differences are late
				prefix = word()
			}
			list[i] = [2]string{cmp.Or(prefix+word(), "0"), cmp.Or(prefix+word(), "0")} // rpm refuses ""
			fmt.Fprintf(&lua, "%q,%q,", list[i][0], list[i][1])
		}
		lua.WriteString("} for i = 1, #t, 2 do print(rpm.vercmp(t[i], t[i+1]) .. ' ') end}")
		out, err := exec.Command(bin, "--eval", lua.String()).CombinedOutput()
		if err != nil {
			t.Fatalf("rpm --eval: %v: %s", err, out)
		}
		answers := strings.Fields(string(out))
		if len(answers) != batch {
			t.Fatalf("%d answers to %d questions: %s", len(answers), batch, out)
		}
		for i, p := range list {
			if got := fmt.Sprint(rpm.CompareVersion(p[0], p[1])); got != answers[i] {
				t.Errorf("CompareVersion(%q, %q) = %s, rpm says %s", p[0], p[1], got, answers[i])
			}
		}
	}
}
