package conformance_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"moromi/internal/xmlrpc"
)

// queried is a method that takes queryOpts, as a test asks it.
type queried struct {
	method string
	named  map[string]any // its parameters
	opts   string         // what it calls queryOpts
	unique string         // a column of which no two rows have the same
	koji   string         // how Koji calls that column inside, where a caller may order by it, too, and how it calls others
	fixed  []string       // with asList, the columns in Koji's order; nil: by name, as all that comes from a query
	keeps  bool           // asList is for queries only: rows stay structs
	rows   bool           // rows that are cut in Python, where negative numbers count from the end
}

// queriedMethods are all methods of Koji's that take queryOpts, by the recording that leaves something for them to find. Koji's listHosts takes
// and forgets them.
func queriedMethods() map[string][]queried {
	rpm := int64(2)
	return map[string][]queried{"90_populate": {
		{method: "listTags", unique: "id", koji: "tag.id tag.name tag_config.arches tag_config.locked tag_config.maven_support tag_config.perm_id permissions.name"},
		{method: "listTags", named: map[string]any{"perms": false}, unique: "name", koji: "tag.name"},
		{method: "listBuilds", unique: "build_id", koji: "build.id build.version build.release build.epoch build.draft build.state build.completion_time build.promotion_time " +
			"build.start_time build.source build.extra events.id events.time build.task_id package.id package.name volume.id volume.name users.id users.name promoter.id promoter.name"},
		{method: "listRPMs", unique: "id", koji: "rpminfo.id rpminfo.name rpminfo.version rpminfo.release rpminfo.arch rpminfo.epoch rpminfo.draft rpminfo.payloadhash " +
			"rpminfo.size rpminfo.buildtime rpminfo.build_id rpminfo.buildroot_id rpminfo.external_repo_id external_repo.name rpminfo.metadata_only rpminfo.extra"},
		{method: "listBuildroots", unique: "id", koji: "buildroot.id buildroot.br_type buildroot.cg_id content_generator.name buildroot.container_arch standard_buildroot.state " +
			"standard_buildroot.task_id host.id host.name repo.id repo.state tag.id tag.name create_events.id create_events.time retire_events.id retire_events.time repo_create.id repo_create.time"},
		{method: "listTasks", unique: "id", koji: "task.id task.state task.create_time task.start_time task.completion_time task.channel_id task.host_id task.parent task.label task.waiting " +
			"task.awaited task.owner task.method task.arch task.priority task.weight task.request task.result users.name users.usertype"},
		{method: "listUsers", unique: "id", koji: "users.id users.name"},
		{method: "listUsers", named: map[string]any{"userType": nil}, unique: "name", koji: "users.name"},
		{method: "listHosts", unique: "id", koji: "host.id"},
		{method: "listPackages", unique: "package_id", koji: "package.id"},
		{method: "listPackages", named: map[string]any{"tagID": "base"}, unique: "package_name", keeps: true, rows: true},
		{method: "listPackagesSimple", unique: "package_id", koji: "package.id package.name"},
		{method: "listBTypes", unique: "id"},
		{method: "listExternalRepos", unique: "id"},
		{method: "getBuildTargets", unique: "id", koji: "build_target.id build_target.name tag1.name tag2.name"},
		{method: "queryRPMSigs", unique: "sighash"},
		{method: "untaggedBuilds", unique: "id", koji: "build.id package.name build.version build.release"},
		{method: "search", named: map[string]any{"terms": "*", "type": "build", "matchType": "glob"}, unique: "name"},
		{method: "listRPMFiles", named: map[string]any{"rpmID": rpm}, unique: "name", rows: true,
			fixed: []string{"name", "digest", "size", "flags", "digest_algo", "user", "group", "mtime", "mode"}},
		{method: "getRPMDeps", named: map[string]any{"rpmID": rpm, "depType": int64(1)}, unique: "name", rows: true, fixed: []string{"name", "version", "flags", "type"}},
		{method: "getChangelogEntries", named: map[string]any{"buildID": int64(1)}, unique: "date_ts", rows: true, fixed: []string{"date", "author", "text"}},
		{method: "scheduler.getTaskRuns", opts: "opts", unique: "id"},
		{method: "scheduler.getLogMessages", opts: "opts", unique: "id"},
		{method: "repo.query", named: map[string]any{"clauses": nil}, opts: "opts", unique: "id"},
		{method: "repo.queryQueue", opts: "opts", unique: "id"},
	}, "20_maven_win_image": {
		{method: "listArchives", unique: "id", koji: "archiveinfo.id archiveinfo.type_id archiveinfo.btype_id btype.name archiveinfo.build_id archiveinfo.buildroot_id " +
			"archiveinfo.filename archiveinfo.size archiveinfo.checksum archiveinfo.checksum_type archiveinfo.metadata_only archivetypes.name archivetypes.description archivetypes.extensions"},
		{method: "listArchives", named: map[string]any{"type": "maven"}, unique: "id", koji: "archiveinfo.id maven_archives.group_id maven_archives.version"},
		{method: "listArchiveFiles", named: map[string]any{"archive_id": int64(2)}, unique: "name", keeps: true, rows: true},
	}}
}

// ask calls the method with these queryOpts.
func (q queried) ask(c *client, opts map[string]any) (any, error) {
	kw := xmlrpc.Kwargs(maps.Clone(q.named))
	if kw == nil {
		kw = xmlrpc.Kwargs{}
	}
	if opts != nil {
		name := q.opts
		if name == "" {
			name = "queryOpts"
		}
		kw[name] = opts
	}
	return c.call(q.method, []any{kw})
}

// TestQueryOpts asks every method that takes queryOpts with each of them (kojihub.db.QueryProcessor and _applyQueryOpts).
func TestQueryOpts(t *testing.T) {
	t.Parallel()
	params, fixtures := paramNames(t), readFixtures(t)
	for name, methods := range queriedMethods() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplay(newSite(t, ""), params, fixtures)
			for _, st := range readRecording(t, "testdata/recordings/"+name+".jsonl") {
				r.play(st)
			}
			r.site.addMore(t)
			for _, q := range methods {
				t.Run(q.method, func(t *testing.T) {
					t.Parallel()
					q.check(t, &client{site: r.site})
				})
			}
		})
	}
}

// addMore adds to what recordings leave only one of.
func (s *site) addMore(t *testing.T) {
	t.Helper()
	admin := s.open(t, "kojiadmin")
	for _, call := range [][]any{
		{"createTag", "more", xmlrpc.Kwargs{"arches": "x86_64"}}, {"createBuildTarget", "more", "more", "more"}, {"createExternalRepo", "more", "http://more.example.com/$arch/"},
		{"distRepo", "more", []any{"key1"}, xmlrpc.Kwargs{"arch": []any{"x86_64"}}}, {"distRepo", "more", []any{"key2"}, xmlrpc.Kwargs{"arch": []any{"x86_64"}}},
	} {
		if _, err := admin.call(call[0].(string), call[1:]); err != nil {
			t.Fatalf("%v: %v", call, err)
		}
	}
}

// check tries all options on the method.
func (q queried) check(t *testing.T, c *client) {
	t.Helper()
	all := q.list(t, c, map[string]any{"order": q.unique})
	if len(all) < 2 {
		t.Fatalf("only %d rows to try it on", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b any) int { return compareMember(a, b, q.unique) }) {
		t.Errorf("order %s: %v", q.unique, all)
	}
	q.windows(t, c, all)
	q.counts(t, c, len(all))
	q.orders(t, c, all)
	q.lists(t, c, all)
	q.refusals(t, c)
	q.filters(t, c, all)
}

// list is ask for what must be a list.
func (q queried) list(t *testing.T, c *client, opts map[string]any) []any {
	t.Helper()
	v, err := q.ask(c, opts)
	list, ok := v.([]any)
	if err != nil || !ok {
		t.Fatalf("%v: %v %v", opts, v, err)
	}
	return list
}

func (q queried) windows(t *testing.T, c *client, all []any) {
	t.Helper()
	by := func(more map[string]any) map[string]any {
		more["order"] = q.unique
		return more
	}
	for _, w := range []struct {
		opts map[string]any
		want []any
	}{
		{map[string]any{"limit": int64(1)}, all[:1]},
		{map[string]any{"offset": int64(1)}, all[1:]},
		{map[string]any{"offset": int64(1), "limit": int64(1)}, all[1:2]},
		{map[string]any{"limit": int64(0), "offset": int64(0)}, all}, // to Python, 0 is as good as not there
		{map[string]any{"limit": nil, "offset": nil, "asList": false, "rowlock": true, "group": nil, "bogus": "x"}, all},
		{map[string]any{"offset": int64(len(all) + 5)}, []any{}},
	} {
		if got := q.list(t, c, by(w.opts)); !reflect.DeepEqual(got, w.want) {
			t.Errorf("%v: got %v, want %v", w.opts, got, w.want)
		}
	}
}

func (q queried) counts(t *testing.T, c *client, n int) {
	t.Helper()
	if got, err := q.ask(c, map[string]any{"countOnly": true, "order": "nosuch"}); (err == nil) != (!q.rows && q.opts == "") { // neither rows nor views
		t.Errorf("counted in no such order: %v %v", got, err)
	}
	for _, w := range []struct {
		opts map[string]any
		want int
	}{
		{map[string]any{"countOnly": true}, n}, {map[string]any{"countOnly": true, "limit": int64(0)}, n}, {map[string]any{"countOnly": true, "limit": int64(1)}, 1},
		{map[string]any{"countOnly": true, "offset": int64(1)}, n - 1}, {map[string]any{"countOnly": true, "order": q.unique, "asList": true}, n},
	} {
		if got, err := q.ask(c, w.opts); err != nil || got != int64(w.want) {
			t.Errorf("%v: got %v %v, want %d", w.opts, got, err, w.want)
		}
	}
}

func (q queried) orders(t *testing.T, c *client, all []any) {
	t.Helper()
	down := slices.Clone(all)
	slices.Reverse(down)
	if got := q.list(t, c, map[string]any{"order": "-" + q.unique}); !reflect.DeepEqual(got, down) {
		t.Errorf("turned around: %v", got)
	}
	if got := q.list(t, c, map[string]any{"order": "-" + q.unique + "," + q.unique}); !reflect.DeepEqual(got, down) {
		t.Errorf("by two columns: %v", got)
	}
	for i, name := range strings.Fields(q.koji) {
		got, err := q.ask(c, map[string]any{"order": "-" + name})
		if err != nil {
			t.Errorf("by %s: %v", name, err)
		} else if i == 0 && !reflect.DeepEqual(got, any(down)) {
			t.Errorf("by %s: %v", name, got)
		}
	}
}

func (q queried) lists(t *testing.T, c *client, all []any) {
	t.Helper()
	opts := map[string]any{"asList": true, "order": q.unique}
	got := q.list(t, c, opts)
	want := make([]any, len(all))
	for i, e := range all {
		row := e.(map[string]any)
		names := q.fixed
		if names == nil {
			names = slices.Sorted(maps.Keys(row))
		}
		values := make([]any, len(names))
		for j, name := range names {
			values[j] = row[name]
		}
		want[i] = values
	}
	if q.keeps {
		want = all
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("asList: got %v, want %v", got, want)
	}
}

func (q queried) refusals(t *testing.T, c *client) {
	t.Helper()
	for _, opts := range []map[string]any{
		{"order": "nosuch"}, {"order": q.unique + ",nosuch"}, {"order": q.unique + ","}, {"order": " " + q.unique}, {"order": "--" + q.unique},
		{"order": q.unique + "; drop table users"}, {"order": []any{q.unique}}, {"limit": "x"}, {"offset": "1"}, {"limit": []any{int64(1)}},
	} {
		if got, err := q.ask(c, opts); err == nil {
			t.Errorf("%v gave %v", opts, got)
		}
	}
	for _, opts := range []map[string]any{{"limit": int64(-1)}, {"offset": int64(-1)}} {
		if got, err := q.ask(c, opts); (err == nil) != q.rows {
			t.Errorf("%v gave %v %v", opts, got, err)
		}
	}
}

// filters asks through filterResults and countAndFilterResults, which sort and cut what any method answers.
func (q queried) filters(t *testing.T, c *client, all []any) {
	t.Helper()
	kw := xmlrpc.Kwargs(maps.Clone(q.named))
	if kw == nil {
		kw = xmlrpc.Kwargs{}
	}
	kw["filterOpts"] = map[string]any{"order": "-" + q.unique, "offset": int64(1), "limit": int64(1)}
	down := slices.Clone(all)
	slices.Reverse(down)
	if got, err := c.call("filterResults", []any{q.method, kw}); err != nil || !reflect.DeepEqual(got, down[1:2]) {
		t.Errorf("filterResults: %v %v", got, err)
	}
	if got, err := c.call("countAndFilterResults", []any{q.method, kw}); err != nil || !reflect.DeepEqual(got, []any{int64(len(all)), down[1:2]}) {
		t.Errorf("countAndFilterResults: %v %v", got, err)
	}
	kw["filterOpts"] = map[string]any{"order": "nosuch"}
	if got, err := c.call("filterResults", []any{q.method, kw}); err == nil {
		t.Errorf("filterResults by a column that is not there: %v", got)
	}
	delete(kw, "filterOpts")
	if got, err := c.call("count", []any{q.method, kw}); err != nil || got != int64(len(all)) {
		t.Errorf("count: %v %v, want %d", got, err, len(all))
	}
}

// compareMember orders two structs by a member that is a number or text.
func compareMember(a, b any, name string) int {
	x, y := a.(map[string]any)[name], b.(map[string]any)[name]
	if n, ok := x.(int64); ok {
		return int(n - y.(int64))
	}
	if x.(string) < y.(string) {
		return -1
	}
	return 1
}
