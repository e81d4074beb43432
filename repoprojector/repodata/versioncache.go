package repodata

import (
	"container/list"
	"strings"
	"sync"
)

// maxVersionBytes bounds the memory for versions that were read or made lately. One of 20,000 packages takes about 50 kB.
const maxVersionBytes = 32 << 20

// versionCache remembers kept versions by name, those that were used last. Safe for concurrent use.
type versionCache struct {
	mu    sync.Mutex
	kept  map[string]*list.Element
	order list.List // of cachedVersion, the one used last first
	bytes int64
}

type cachedVersion struct {
	name string
	*Version
	bytes int64
}

func (c *versionCache) get(name string) *Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.kept[name]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(cachedVersion).Version
}

func (c *versionCache) put(name string, v *Version) {
	x := cachedVersion{name, v, v.bytes()}
	if x.bytes > maxVersionBytes/4 { // it would drive out all others
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[string]*list.Element{}
	}
	c.remove(c.kept[name])
	c.kept[name] = c.order.PushFront(x)
	for c.bytes += x.bytes; c.bytes > maxVersionBytes; {
		c.remove(c.order.Back())
	}
}

func (c *versionCache) remove(e *list.Element) {
	if e == nil {
		return
	}
	x := c.order.Remove(e).(cachedVersion)
	delete(c.kept, x.name)
	c.bytes -= x.bytes
}

// drop forgets the versions under a name.
func (c *versionCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, e := range c.kept {
		if n == name || strings.HasPrefix(n, name+"/") {
			c.remove(e)
		}
	}
}

// bytes is about how much memory the version takes.
func (v *Version) bytes() int64 {
	n := int64(1<<10) + int64(len(v.Repomd)+len(v.group)) + int64(len(v.blocks))*int64(len(blockKey{}))
	for k := range kinds {
		n += 4*int64(len(v.sizes[k])) + int64(len(v.ends[k][0])+len(v.ends[k][1]))
	}
	for _, e := range v.extra {
		n += int64(len(e.Packed))
	}
	return n
}
