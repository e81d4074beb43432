package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// Select is a query on the repositories or on the queue of requests.
type Select = query.Select

func own(table, name string, k query.Kind) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: table + "." + name}, Kind: k}
}

func seconds(name, expr, join string) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: "extract(epoch from " + expr + ")::float8"}, Join: join, Kind: query.Number}
}

func joined(name, expr, join string, k query.Kind) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: expr}, Join: join, Kind: k}
}

// repos is the table repo as clients query it (kojihub.repos.RepoQuery).
func repos() *query.View {
	return &query.View{
		From: "repo",
		Joins: map[string]string{
			"tag":       "join tag on repo.tag_id = tag.id",
			"create_ev": "left join events create_ev on repo.create_event = create_ev.id",
			"begin_ev":  "left join events begin_ev on repo.begin_event = begin_ev.id",
			"end_ev":    "left join events end_ev on repo.end_event = end_ev.id",
			"task":      "left join task on repo.task_id = task.id",
		},
		Fields: []query.Field{
			own("repo", "id", query.Number), own("repo", "tag_id", query.Number), own("repo", "creation_time", query.Moment), seconds("creation_ts", "repo.creation_time", ""),
			own("repo", "state_time", query.Moment), seconds("state_ts", "repo.state_time", ""),
			own("repo", "create_event", query.Number), seconds("create_ts", "create_ev.time", "create_ev"),
			own("repo", "begin_event", query.Number), seconds("begin_ts", "begin_ev.time", "begin_ev"),
			own("repo", "end_event", query.Number), seconds("end_ts", "end_ev.time", "end_ev"),
			own("repo", "state", query.Number), own("repo", "dist", query.Boolean), own("repo", "opts", query.JSONField), own("repo", "custom_opts", query.JSONField),
			own("repo", "task_id", query.Number), joined("task_state", "task.state", "task", query.Number), joined("tag_name", "tag.name", "tag", query.Text),
		},
		Defaults: []string{"id", "tag_id", "create_event", "state", "dist", "task_id", "opts", "custom_opts"},
		Order:    "repo.id",
	}
}

// queue is the table repo_queue as clients query it (kojihub.repos.RepoQueueQuery).
func queue() *query.View {
	const t = "repo_queue"
	return &query.View{
		From: t,
		Joins: map[string]string{
			"tag":   "join tag on repo_queue.tag_id = tag.id",
			"task":  "left join task on repo_queue.task_id = task.id",
			"users": "left join users on repo_queue.owner = users.id",
		},
		Fields: []query.Field{
			own(t, "id", query.Number), own(t, "create_time", query.Moment), seconds("create_ts", "repo_queue.create_time", ""), own(t, "owner", query.Number),
			joined("owner_name", "users.name", "users", query.Text), own(t, "priority", query.Number), own(t, "tag_id", query.Number), joined("tag_name", "tag.name", "tag", query.Text),
			own(t, "at_event", query.Number), own(t, "min_event", query.Number), own(t, "opts", query.JSONField), own(t, "update_time", query.Moment),
			seconds("update_ts", "repo_queue.update_time", ""), own(t, "active", query.Boolean), own(t, "task_id", query.Number),
			joined("task_state", "task.state", "task", query.Number), own(t, "tries", query.Number), own(t, "repo_id", query.Number),
		},
		Defaults: []string{"id", "tag_id", "at_event", "min_event", "create_ts", "task_id", "tries", "repo_id", "opts", "active", "update_ts"},
		Order:    "repo_queue.id",
	}
}

// Query answers repo.query, as of an event if one is given.
func Query(ctx context.Context, db query.DB, s Select, event *int64) (any, error) {
	v := repos()
	if event != nil {
		return v.Run(ctx, db, s, "repo_at(?) repo", *event)
	}
	return v.Run(ctx, db, s, "")
}

// Queue answers repo.queryQueue.
func Queue(ctx context.Context, db query.DB, s Select) (any, error) {
	v := queue()
	return v.Run(ctx, db, s, "")
}

// all asks for every field.
func all() []string { return []string{"**"} }

func one(res any, err error) (query.Row, error) {
	if err != nil {
		return nil, err
	}
	if rows := res.([]query.Row); len(rows) > 0 {
		return rows[0], nil
	}
	return nil, nil
}

// Get gives a repository with all its fields, nil if there is none.
func Get(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	return one(Query(ctx, db, Select{Clauses: []any{[]any{"id", id}}, Fields: all()}, event))
}

// GetRequest gives a request with all its fields, nil if there is none.
func GetRequest(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return one(Queue(ctx, db, Select{Clauses: []any{[]any{"id", id}}, Fields: all()}))
}

// Find is what getRepo asks for.
type Find struct {
	Tag      int64
	State    int64
	Event    *int64 // content not newer than this, whatever the state
	MinEvent *int64
	Dist     bool
}

// FindLatest gives the repository of a tag that was created last among those that fit, in getRepo's shape; nil if none does.
func FindLatest(ctx context.Context, db query.DB, f Find) (query.Row, error) {
	clauses := []any{[]any{"tag_id", f.Tag}, []any{"dist", "IS", f.Dist}}
	if f.Event != nil && *f.Event != 0 {
		clauses = append(clauses, []any{"create_event", "<=", *f.Event})
	} else {
		clauses = append(clauses, []any{"state", f.State})
	}
	if f.MinEvent != nil {
		clauses = append(clauses, []any{"create_event", ">=", *f.MinEvent})
	}
	return one(Query(ctx, db, Select{Clauses: clauses, Fields: all(), Opts: query.Opts{Order: "-creation_time,-id", Limit: 1}}, nil))
}

// Best gives the READY build repository with the newest content that has every option of opts and no custom one besides, in repo.get's shape; nil
// if there is none.
func Best(ctx context.Context, db query.DB, tag int64, min, at *int64, want events.RepoOpts) (query.Row, error) {
	raw, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("encode repository options: %w", err)
	}
	opts := string(raw)
	clauses := []any{[]any{"tag_id", tag}, []any{"dist", "IS", false}, []any{"state", int64(1)}, []any{"opts", "@>", opts}, []any{"custom_opts", "<@", opts}}
	if at != nil {
		clauses = append(clauses, []any{"create_event", *at})
	} else if min != nil {
		clauses = append(clauses, []any{"create_event", ">=", *min})
	}
	return one(Query(ctx, db, Select{Clauses: clauses, Fields: all(), Opts: query.Opts{Order: "-create_event,-id", Limit: 1}}, nil))
}

// Active gives all repositories that are not deleted, in getActiveRepos' shape.
func Active(ctx context.Context, db query.DB) (any, error) {
	return Query(ctx, db, Select{Clauses: []any{[]any{"state", "!=", int64(3)}},
		Fields: []string{"id", "tag_id", "create_event", "create_ts", "state", "dist", "task_id", "tag_name", "creation_ts", "state_ts", "end_event", "opts"}}, nil)
}

// TagOf gives the tag of a repository, 0 if there is no such repository.
func TagOf(ctx context.Context, db query.DB, id int64) (int64, error) {
	return scalar(ctx, db, `select tag_id from repo where id = $1`, id)
}

// TagOfRequest gives the tag of a request, 0 if there is no such request.
func TagOfRequest(ctx context.Context, db query.DB, id int64) (int64, error) {
	return scalar(ctx, db, `select tag_id from repo_queue where id = $1`, id)
}

func scalar(ctx context.Context, db query.DB, sql string, args ...any) (int64, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("query %.60s: %w", sql, err)
	}
	n, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Current is a READY repository whose tag has not changed since, as far as is on record.
type Current struct{ ID, Tag, CreateEvent int64 }

// Currents gives the READY repositories without an end event.
func Currents(ctx context.Context, db query.DB) ([]Current, error) {
	rows, err := db.Query(ctx, `select id, tag_id, create_event from repo where end_event is null and state = 1 order by id`)
	if err != nil {
		return nil, fmt.Errorf("current repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Current])
}

// UnderWay tells of a request with all its fields whether a task that is not finished makes its repository.
func UnderWay(r query.Row) bool {
	state, ok := r["task_state"].(int64)
	return ok && !koji.TaskState(state).Finished()
}

// Waiting gives the active requests with all their fields, the most urgent first.
func Waiting(ctx context.Context, db query.DB) ([]query.Row, error) {
	res, err := Queue(ctx, db, Select{Clauses: []any{[]any{"active", "IS", true}}, Fields: all(), Opts: query.Opts{Order: "priority,id"}})
	if err != nil {
		return nil, err
	}
	return res.([]query.Row), nil
}
