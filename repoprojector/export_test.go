package repoprojector

// Linked gives a channel that closes when a link "latest" is set.
func (p *Projector) Linked() <-chan struct{} { return p.linked.next() }
