package repodata

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// maxPrefixes bounds the memory for kept prefixes: about 250 bytes each, six a block, and twice that many are kept. It is enough for some 20 repositories
// of 20,000 packages.
const maxPrefixes = 1 << 16

// maxInfos bounds the memory for the heads of blocks, about 200 bytes each: enough for 60 repositories of 20,000 packages that have nothing in common.
const maxInfos = 1 << 16

// trusted is how long a block is taken to be where it was seen. Pruned are only those that were not used for days.
const trusted = time.Hour

// infos remembers what blocks say of themselves. Safe for concurrent use.
type infos struct {
	mu   sync.Mutex
	kept map[blockKey]seenInfo
}

type seenInfo struct {
	*blockInfo
	at time.Time
}

// get gives what is known of a block that was seen lately.
func (i *infos) get(key blockKey, now time.Time) (*blockInfo, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	x, ok := i.kept[key]
	return x.blockInfo, ok && now.Sub(x.at) < trusted
}

func (i *infos) put(key blockKey, x *blockInfo, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kept == nil || len(i.kept) >= maxInfos {
		i.kept = map[blockKey]seenInfo{}
	}
	i.kept[key] = seenInfo{x, now}
}

func (i *infos) reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kept = nil
}

func (i *infos) forget(key blockKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.kept, key)
}

// prefixes remembers the state of digests at the ends of blocks, so that a change in the middle of a repository costs the
// digest of what comes after it. A prefix is known by all that it consists of, so repositories that begin alike
// share it. What was not looked up while as many as are kept came is forgotten. Safe for concurrent use.
type prefixes struct {
	mu        sync.Mutex
	kept, old map[prefixKey]prefix
}

// prefixKey is a digest of the file's start and the blocks after it, by what they hold and by their bytes.
type prefixKey [sha256.Size]byte

// prefix is the state of a digest at a place, and how many bytes there are before it.
type prefix struct {
	size  int64
	state [digestState]byte
}

// digestState is how long the state of a SHA-256 is as crypto/sha256 marshals it.
const digestState = 108

func (p *prefixes) get(key prefixKey) (prefix, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.kept[key]
	if !ok {
		if x, ok = p.old[key]; ok {
			p.keep(key, x)
		}
	}
	return x, ok
}

func (p *prefixes) put(key prefixKey, x prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(key, x)
}

func (p *prefixes) keep(key prefixKey, x prefix) {
	if p.kept == nil || len(p.kept) >= maxPrefixes {
		p.kept, p.old = map[prefixKey]prefix{}, p.kept
	}
	p.kept[key] = x
}

// firstPrefix is the key of a digest of a file's head alone.
func firstPrefix(k kind, open bool, head []byte) prefixKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %t %s", k, open, head))
}

// next is the key with a block more, whose bytes have a checksum: another version of the compressor may have made the stored block.
func (key prefixKey) next(b blockKey, sum uint32) prefixKey {
	var x [2*sha256.Size + 4]byte
	copy(x[:], key[:])
	copy(x[sha256.Size:], b[:])
	binary.BigEndian.PutUint32(x[2*sha256.Size:], sum)
	return sha256.Sum256(x[:])
}
