package builder_test
import ("testing";"path/filepath";"os")
func BenchmarkZ(b *testing.B){
	h := newHub(b); h.addRepo()
	ctx, _ := startBuilder(b, h, nil)
	url := gitRepo(b, "hello-c", map[string]string{"hello-c.spec": cSpec, "hello.c": cSource})
	opts := map[string]any{"repo_id": int64(1)}
	m := h.wait(ctx, h.submit("buildSRPMFromSCM", url, int64(1), opts))
	srpm := m.result.(map[string]any)["srpm"]
	var id int64
	for range 4 { id = h.submit("buildArch", srpm, int64(1), "x86_64", true, opts); h.wait(ctx,id) }
	d,_ := os.ReadFile(filepath.Join(h.top,"work/tasks", "5","5","state.log"))
	b.Log(string(d), id)
	d,_ = os.ReadFile(filepath.Join(h.top,"work/tasks", "5","5","root.log"))
	b.Log(string(d), id)
	for b.Loop(){}
}
