package commands

import (
	"context"
	"fmt"

	"moromi/aggregates/repo"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	taskmodel "moromi/projections/task"
	usermodel "moromi/projections/user"
)

// repoQueueLock is the advisory lock of who gives tasks to requests, so that none gets two: "moromi q" as bytes.
const repoQueueLock = 0x6d6f726f6d692071

// CheckRepoQueue gives newRepo tasks to active requests as Koji's kojira has it done, the most urgent first, and looks after those that have one.
// Nothing happens while another does so.
func (s *Service) CheckRepoQueue(ctx context.Context, a Actor) error {
	return s.onRepoQueue(ctx, `select pg_try_advisory_lock($1)`, func() error {
		waiting, err := repomodel.Waiting(ctx, s.DB)
		if err != nil {
			return err
		}
		return s.checkQueue(ctx, a, waiting)
	})
}

// onRepoQueue runs f with the queue's lock, which the statement takes: it does nothing if the answer is false.
func (s *Service) onRepoQueue(ctx context.Context, lock string, f func() error) error {
	conn, err := s.DB.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("lock the queue of repository requests: %w", err)
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, lock, int64(repoQueueLock)).Scan(&mine); err != nil || !mine {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `select pg_advisory_unlock($1)`, int64(repoQueueLock)) //nolint:errcheck // a dead connection has no locks
	return f()
}

func (s *Service) checkQueue(ctx context.Context, a Actor, waiting []query.Row) error {
	tasks, maven := int64(0), int64(0)
	var todo []query.Row
	for _, r := range waiting {
		if repomodel.UnderWay(r) {
			tasks++
			if wantsMaven(r) {
				maven++
			}
			continue
		}
		again, err := s.retryRequest(ctx, a, r)
		if err != nil {
			return err
		}
		if again {
			todo = append(todo, r)
		}
	}
	for _, r := range todo {
		enough := tasks >= s.Repos.MaxTasks || wantsMaven(r) && maven >= s.Repos.MaxMavenTasks
		if enough {
			if r["task_id"] == nil {
				continue
			}
			if err := s.taskRequest(ctx, a, r, nil); err != nil { // the task that ended is not the request's any more
				return err
			}
			continue
		}
		if wantsMaven(r) {
			maven++
		}
		tasks++
		if _, err := s.startRepoTask(ctx, a, r); err != nil {
			return err
		}
	}
	return nil
}

// StartRepoRequest gives an active request a newRepo task, which the hub is about to carry out, and answers its id; 0 if it needs none: it was
// answered, has a task already, or was tried too often and is given up.
func (s *Service) StartRepoRequest(ctx context.Context, a Actor, id int64) (task int64, err error) {
	err = s.onRepoQueue(ctx, `select pg_advisory_lock($1) is not null`, func() error {
		r, again, err := s.reviewRequest(ctx, a, id)
		if err != nil || !again {
			return err
		}
		task, err = s.startRepoTask(ctx, a, r)
		return err
	})
	return task, err
}

// ReviewRepoRequest looks at a request whose task has ended: it is answered if that made its repository after all, and given up if it was tried too often.
func (s *Service) ReviewRepoRequest(ctx context.Context, a Actor, id int64) error {
	_, _, err := s.reviewRequest(ctx, a, id)
	return err
}

func (s *Service) reviewRequest(ctx context.Context, a Actor, id int64) (r query.Row, again bool, err error) {
	r, err = repomodel.GetRequest(ctx, s.DB, id)
	if err != nil || r == nil || r["active"] != true || repomodel.UnderWay(r) {
		return nil, false, err
	}
	again, err = s.retryRequest(ctx, a, r)
	return r, again, err
}

func wantsMaven(r query.Row) bool {
	opts, _ := r["opts"].(map[string]any)
	return truth(opts["maven"])
}

// retryRequest looks at a request without a task under way. It answers whether it needs a task: one whose task succeeded after all is answered,
// and one that was tried too often is given up.
func (s *Service) retryRequest(ctx context.Context, a Actor, r query.Row) (bool, error) {
	state, tasked := r["task_state"].(int64)
	if !tasked {
		return true, nil
	}
	if koji.TaskState(state) == koji.TaskClosed {
		if answered, err := s.answerFromTask(ctx, a, r); err != nil || answered {
			return false, err
		}
	}
	if r["tries"].(int64) > s.Repos.Retries {
		return false, s.abandonRepoRequest(ctx, a, r["id"].(int64))
	}
	return true, nil
}

// answerFromTask answers a request with the repository that its closed task made, if it is one that satisfies it.
func (s *Service) answerFromTask(ctx context.Context, a Actor, r query.Row) (answered bool, err error) {
	res, err := taskmodel.Result(ctx, s.DB, r["task_id"].(int64))
	if err != nil && fault.Of(err) == nil {
		return false, err
	}
	list, ok := res.([]any)
	if !ok || len(list) == 0 {
		return false, nil // a result of another kind is none
	}
	made, ok := list[0].(int64)
	if !ok {
		return false, nil
	}
	id := r["id"].(int64)
	err = s.decideRequest(ctx, a, "fulfill repo request", id, func(t *repo.Tag, tag int64) []events.Event {
		evs := t.Fulfill(tag, id, made)
		answered = len(evs) > 0
		return evs
	})
	return answered, err
}

// abandonRepoRequest gives up an active request: its repository cannot be made.
func (s *Service) abandonRepoRequest(ctx context.Context, a Actor, id int64) error {
	s.Log.Error("request for a repository given up", "request", id)
	return s.decideRequest(ctx, a, "abandon repo request", id, func(t *repo.Tag, tag int64) []events.Event { return t.Abandon(tag, id) })
}

// repoTaskPriority is the priority of newRepo tasks (kojihub.repos.repo_queue_task).
const repoTaskPriority = 15

// startRepoTask makes the task of a request. It belongs to the user who is set for that, to whoever asks if there is no such user, and to whoever
// wants the repository if it is the hub that asks.
func (s *Service) startRepoTask(ctx context.Context, a Actor, r query.Row) (int64, error) {
	named := xmlrpc.Struct{{Name: "opts", Value: r["opts"]}} // in Koji's order: the document is what clients see as the task's request
	if at, ok := r["at_event"].(int64); ok {
		named = append(named, xmlrpc.Member{Name: "event", Value: at})
	}
	named = append(named, xmlrpc.Member{Name: "__starstar", Value: true})
	tag := xmlrpc.Struct{{Name: "id", Value: r["tag_id"]}, {Name: "name", Value: r["tag_name"]}}
	priority := int64(repoTaskPriority)
	in := MakeTask{Method: "newRepo", Params: []any{tag, named}, Channel: "createrepo", Priority: &priority}
	owner, err := usermodel.ByName(ctx, s.DB, s.Repos.QueueUser)
	if err != nil {
		return 0, err
	}
	switch {
	case owner != nil:
		in.Owner = owner["id"].(int64)
	case a.UserID == 0:
		in.Owner = r["owner"].(int64)
	}
	task, err := s.MakeTask(ctx, a, in)
	if err != nil {
		return 0, err
	}
	return task, s.taskRequest(ctx, a, r, &task)
}

// taskRequest records which task makes the repository that a request asks for; nil: none does any more.
func (s *Service) taskRequest(ctx context.Context, a Actor, r query.Row, task *int64) error {
	id := r["id"].(int64)
	return s.decideRequest(ctx, a, "task repo request", id, func(t *repo.Tag, tag int64) []events.Event { return t.Tasked(tag, id, task) })
}
