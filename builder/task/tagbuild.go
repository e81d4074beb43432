package task

import (
	"context"
	"fmt"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// runTagBuild tags a build as the task's owner and has the people told who want to know, of a failure too.
func runTagBuild(ctx context.Context, j *Job) (any, error) {
	tag, build, from := j.Args["tag_id"], j.Args["build_id"], j.Args["fromtag"]
	info, err := j.Hub.Call(ctx, "getTaskInfo", j.ID)
	if err != nil {
		return nil, err
	}
	owner, ignore := asMap(info)["owner"], j.Args["ignore_success"]
	if err := j.tag(ctx, tag, build, from); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		text := err.Error()
		if f := fault.Of(err); f != nil {
			text = fmt.Sprintf("%d: %s", f.Code, f.Message)
		}
		if _, e := j.Hub.Call(ctx, "host.tagNotification", false, tag, from, build, owner, ignore, text); e != nil {
			j.Log.Warn("no notification of the failed tagging", "err", e)
		}
		return nil, err
	}
	_, err = j.Hub.Call(ctx, "host.tagNotification", true, tag, from, build, owner, ignore)
	return nil, err
}

func (j *Job) tag(ctx context.Context, tag, build, from any) error {
	for method, arg := range map[string]any{"getBuild": build, "getTag": tag} {
		if _, err := j.Hub.Call(ctx, method, arg, xmlrpc.Kwargs{"strict": true}); err != nil {
			return err
		}
	}
	_, err := j.Hub.Call(ctx, "host.tagBuild", j.ID, tag, build, xmlrpc.Kwargs{"force": j.Args["force"], "fromtag": from})
	return err
}
