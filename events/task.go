package events

// TaskCreated: stream task-ID. Request is the XML-RPC methodCall document that clients and builders read. HostID is set for a task that
// is made for one host, assigned from the start.
type TaskCreated struct {
	ID        int64   `json:"id"`
	Method    string  `json:"method"`
	Request   string  `json:"request"`
	Arch      string  `json:"arch"`
	ChannelID int64   `json:"channel_id"`
	Owner     int64   `json:"owner"`
	Priority  int64   `json:"priority"`
	Weight    float64 `json:"weight"`
	Parent    int64   `json:"parent,omitempty"`
	Label     *string `json:"label,omitempty"`
	HostID    int64   `json:"host_id,omitempty"`
}

// TaskChildLabeled: in the parent's stream; the label names this child from here on, so that a parent that runs again finds it.
type TaskChildLabeled struct {
	ID    int64  `json:"id"`
	Label string `json:"label"`
	Child int64  `json:"child"`
}

// TaskAssigned: the scheduler gave the task to a host. Override marks an assignment by an administrator, which does not time out.
type TaskAssigned struct {
	ID       int64 `json:"id"`
	HostID   int64 `json:"host_id"`
	Override bool  `json:"override,omitempty"`
}

// TaskOpened: the host runs the task now; host 0 is the hub itself.
type TaskOpened struct {
	ID     int64 `json:"id"`
	HostID int64 `json:"host_id"`
}

// TaskFreed: the task waits for a host again. Reason says why, for people.
type TaskFreed struct {
	ID     int64  `json:"id"`
	Reason string `json:"reason,omitempty"`
}

// TaskRefused: a host will not take the task; for good, or for a while if Soft.
type TaskRefused struct {
	ID      int64  `json:"id"`
	HostID  int64  `json:"host_id"`
	Soft    bool   `json:"soft,omitempty"`
	ByHost  bool   `json:"by_host,omitempty"`
	Message string `json:"message,omitempty"`
}

// TaskClosed: done. Result is the XML-RPC methodResponse document.
type TaskClosed struct {
	ID     int64  `json:"id"`
	Result string `json:"result"`
}

// TaskFailed: done in vain. Result is the XML-RPC fault document.
type TaskFailed struct {
	ID     int64  `json:"id"`
	Result string `json:"result"`
}

// TaskCanceled: nobody wants it any more.
type TaskCanceled struct {
	ID int64 `json:"id"`
}

// TaskWeightSet: what the task costs its host.
type TaskWeightSet struct {
	ID     int64   `json:"id"`
	Weight float64 `json:"weight"`
}

// TaskPrioritySet: lower is more urgent.
type TaskPrioritySet struct {
	ID       int64 `json:"id"`
	Priority int64 `json:"priority"`
}

// TaskWaitStarted: the task's host waits for these children (All: for every one) and spends nothing on the task meanwhile.
type TaskWaitStarted struct {
	ID       int64   `json:"id"`
	Children []int64 `json:"children,omitempty"`
	All      bool    `json:"all,omitempty"`
}

// TaskChildrenSeen: the waiting host was told that these children are finished.
type TaskChildrenSeen struct {
	ID       int64   `json:"id"`
	Children []int64 `json:"children"`
}

// TaskWaitEnded: the task goes on.
type TaskWaitEnded struct {
	ID int64 `json:"id"`
}

func (TaskCreated) EventType() string      { return "task.created" }
func (TaskChildLabeled) EventType() string { return "task.child_labeled" }
func (TaskAssigned) EventType() string     { return "task.assigned" }
func (TaskOpened) EventType() string       { return "task.opened" }
func (TaskFreed) EventType() string        { return "task.freed" }
func (TaskRefused) EventType() string      { return "task.refused" }
func (TaskClosed) EventType() string       { return "task.closed" }
func (TaskFailed) EventType() string       { return "task.failed" }
func (TaskCanceled) EventType() string     { return "task.canceled" }
func (TaskWeightSet) EventType() string    { return "task.weight_set" }
func (TaskPrioritySet) EventType() string  { return "task.priority_set" }
func (TaskWaitStarted) EventType() string  { return "task.wait_started" }
func (TaskChildrenSeen) EventType() string { return "task.children_seen" }
func (TaskWaitEnded) EventType() string    { return "task.wait_ended" }

func taskEvents() []registration {
	return []registration{of[TaskCreated](), of[TaskChildLabeled](), of[TaskAssigned](), of[TaskOpened](), of[TaskFreed](), of[TaskRefused](),
		of[TaskClosed](), of[TaskFailed](), of[TaskCanceled](), of[TaskWeightSet](), of[TaskPrioritySet](), of[TaskWaitStarted](),
		of[TaskChildrenSeen](), of[TaskWaitEnded]()}
}
