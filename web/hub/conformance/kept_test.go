package conformance_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"moromi/internal/xmlrpc"
)

// askedAgain is how many earlier questions are asked again after each step.
const askedAgain = 8

// TestKeptAnswersAreTrue replays recordings and, after each step, asks questions of earlier steps again: the hub, which may have kept the
// answers, and one that keeps none must say the same.
func TestKeptAnswersAreTrue(t *testing.T) {
	t.Parallel()
	params, fixtures := paramNames(t), readFixtures(t)
	for _, name := range []string{"04_tags", "07_groups_comps", "08_targets_extrepos", "09_rpm_import", "10_tagging", "12_drafts_volumes", "14_tasks", "95_random_history_1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplay(newSite(t, ""), params, fixtures)
			reads := map[string]bool{}
			for _, m := range r.site.hub.Methods() {
				reads[m.Name] = len(m.Reads()) > 0
			}
			random := rand.New(rand.NewPCG(1, 2)) // the same questions each time
			var asked [][]byte
			compared := 0
			for _, s := range readRecording(t, filepath.Join("testdata", "recordings", name+".jsonl")) {
				if dir := madeBefore(name, s.Step); dir != "" {
					r.site.makeDir(dir)
				}
				r.play(s)
				if reads[s.Method] {
					if question := r.question(s); question != nil {
						asked = append(asked, question)
					}
				}
				for range min(askedAgain, len(asked)) {
					question := asked[random.IntN(len(asked))]
					kept, fresh := ask(r.site.hub.ServeHTTP, question), ask(r.site.forgetful.ServeHTTP, question)
					if !slices.Equal(kept, fresh) {
						t.Fatalf("after step %d %s, to\n%s\nthe kept answer is\n%s\nwhere it is\n%s", s.Step, s.Method, question, kept, fresh)
					}
					compared++
				}
			}
			if compared < 100 {
				t.Errorf("only %d answers compared", compared)
			}
		})
	}
}

// question is a step as nobody asks it, nil if it cannot be asked.
func (r *replay) question(s step) []byte {
	params, err := r.paramsOf(s)
	var body bytes.Buffer
	if err != nil || xmlrpc.EncodeCall(&body, s.Method, params) != nil {
		return nil
	}
	return body.Bytes()
}

func ask(serve http.HandlerFunc, body []byte) []byte {
	req := httptest.NewRequest("POST", "/kojihub", bytes.NewReader(body))
	req.Header.Set("Content-Type", "text/xml")
	w := httptest.NewRecorder()
	serve(w, req)
	return w.Body.Bytes()
}
