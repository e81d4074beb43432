package ui

import (
	"strings"
	"time"

	"moromi/events"
	"moromi/projections/query"
)

// How much of each the front page shows.
const (
	frontBuilds = 15
	frontTasks  = 15
	frontHosts  = 40
	frontQueues = 12
)

// hostsRefresh is how often the front page looks at the hosts' load, which is no event.
const hostsRefresh = 10 * time.Second

func front(r *request) (*page, error) {
	v, err := frontView(r)
	if err != nil {
		return nil, err
	}
	data := map[string]any{}
	for _, p := range v.parts {
		data[p.id] = p.data
	}
	return &page{Title: "What is going on", Template: "front", Data: data, Live: "/live"}, nil
}

func liveFront(r *request, s *eventStream) error {
	return r.ui.follow(r, s, source{key: "front", load: frontView, refresh: hostsRefresh, touched: func(c *events.Commit, _ map[int64]bool) bool {
		for _, p := range []string{"task-", "build-", "host-", "repos-"} {
			if strings.HasPrefix(c.Stream, p) {
				return true
			}
		}
		return false
	}})
}

func frontView(r *request) (*view, error) {
	v := &view{page: "front"}
	for _, p := range []struct {
		id   string
		load func(*request) (any, error)
	}{{"running", runningBuilds}, {"recent", recentBuilds}, {"tasks", runningTasks}, {"waiting", waiting}, {"hosts", loadedHosts}} {
		data, err := p.load(r)
		if err != nil {
			return nil, err
		}
		v.parts = append(v.parts, part{p.id, "front-" + p.id, data})
	}
	return v, nil
}

const nvrExpr = "package.name || '-' || build.version || '-' || build.release"

// buildCols are what lists of builds show.
func buildCols() []query.Col {
	return cols("id", "build.id", "nvr", nvrExpr, "package_name", "package.name", "state", "build.state", "owner_name", "users.name", "task_id", "build.task_id",
		"start_time", "build.start_time", "completion_time", "build.completion_time", "volume_name", "volume.name", "draft", "build.draft")
}

func (r *request) builds() *query.Query {
	return r.stateful("build", buildCols()).Join("join package on package.id = build.pkg_id").Join("left join users on users.id = build.owner").
		Join("left join volume on volume.id = build.volume_id")
}

// runningBuilds are the builds under way, each with the sub-tasks of its task: its progress on each architecture.
func runningBuilds(r *request) (any, error) {
	rows, _, err := r.rows(r.builds().Where("build.state = 0").OrderBy("build.id desc"), frontBuilds)
	if err != nil {
		return nil, err
	}
	return rows, r.addProgress(rows)
}

// addProgress gives each build the sub-tasks of its task under "progress".
func (r *request) addProgress(builds []query.Row) error {
	var ids []int64
	for _, b := range builds {
		b["progress"] = []query.Row{}
		if id, ok := b["task_id"].(int64); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	subs, err := r.stateful("task", cols("id", "task.id", "parent", "task.parent", "method", "task.method", "label", "task.label", "arch", "task.arch", "state", "task.state")).
		Where("task.parent = any(?)", ids).Where("task.method not like '%Notification'").OrderBy("task.id").All(r, r.db)
	if err != nil {
		return err
	}
	for _, b := range builds {
		for _, s := range subs {
			if b["task_id"] == s["parent"] {
				b["progress"] = append(b["progress"].([]query.Row), s)
			}
		}
	}
	return nil
}

// recentBuilds are those that ended last.
func recentBuilds(r *request) (any, error) {
	q := r.builds().Where("build.state in (1, 3, 4) and build.completion_time is not null").OrderBy("build.completion_time desc, build.id desc")
	rows, _, err := r.rows(q, frontBuilds)
	return rows, err
}

// taskCols are what lists of tasks show. The request is replaced by the task's subject.
func taskCols() []query.Col {
	return cols("id", "task.id", "state", "task.state", "method", "task.method", "arch", "task.arch", "label", "task.label", "parent", "task.parent",
		"owner_name", "users.name", "host_id", "task.host_id", "host_name", "host.name", "channel_name", "channels.name", "priority", "task.priority",
		"weight", "task.weight", "waiting", "task.waiting", "awaited", "task.awaited",
		"create_time", "task.create_time", "start_time", "task.start_time", "completion_time", "task.completion_time", "request", "d.request")
}

func (r *request) tasks() *query.Query {
	return r.stateful("task", taskCols()).Join("join task_document d on d.id = task.id").Join("left join users on users.id = task.owner").
		Join("left join host on host.id = task.host_id").Join("left join channels on channels.id = task.channel_id")
}

// runningTasks are the tasks that hosts work on, but for those that only wait for their children.
func runningTasks(r *request) (any, error) {
	rows, _, err := r.rows(r.tasks().Where("task.state = 1 and task.waiting is not true").OrderBy("task.id desc"), frontTasks)
	if err != nil {
		return nil, err
	}
	subjects(rows)
	return rows, nil
}

// waiting says what has not begun: tasks by channel, method and architecture, and repositories that were asked for.
func waiting(r *request) (any, error) {
	queue, args := "(select method, arch, channel_id, count(*) n, min(create_time) oldest from task where state in (0, 4) group by 1, 2, 3) w", []any{}
	if r.at != nil {
		queue, args = "(select method, arch, channel_id, count(*) n, min(create_time) oldest from task_at(?) where state in (0, 4) group by 1, 2, 3) w", []any{r.at.Event}
	}
	groups, _, err := r.rows(query.New(cols("method", "w.method", "arch", "w.arch", "channel_name", "channels.name", "count", "w.n", "oldest", "w.oldest"), queue, args...).
		Join("left join channels on channels.id = w.channel_id").OrderBy("w.oldest"), frontQueues)
	if err != nil {
		return nil, err
	}
	requests := []query.Row{}
	if r.at == nil { // the queue's past is not kept
		requests, _, err = r.rows(query.New(cols("id", "q.id", "tag_name", "tag.name", "create_time", "q.create_time", "task_id", "q.task_id",
			"priority", "q.priority"), "repo_queue q").Join("left join tag on tag.id = q.tag_id").Where("q.active").OrderBy("q.priority, q.id"), frontQueues)
	}
	return map[string]any{"tasks": groups, "repos": requests}, err
}

// loadedHosts are the enabled hosts with their load and their tasks. What load they had in the past nobody knows.
func loadedHosts(r *request) (any, error) {
	rows, _, err := r.rows(r.hosts().Where("host_config.enabled").OrderBy("host.name"), frontHosts)
	return rows, err
}
