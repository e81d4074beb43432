package commands

// Woken tells how often somebody woke the scheduler.
func (sc *Scheduler) Woken() int64 { return sc.woken.Load() }
