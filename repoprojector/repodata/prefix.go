package repodata

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"
)

// maxPrefixes bounds the memory for kept prefixes: about 400 bytes each, three a block. It is enough for some
// 20 repositories of 20,000 packages.
const maxPrefixes = 1 << 15

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

// prefixes remembers what the start of a file sums up to, so that a change in the middle of a repository costs the
// digest of what comes after it. A prefix is known by all that it consists of, so repositories that begin alike
// share it. Safe for concurrent use.
type prefixes struct {
	mu   sync.Mutex
	kept map[prefixKey]prefix
}

// prefixKey is a digest of the file's start and the blocks after it, by what they hold and by their bytes.
type prefixKey [sha256.Size]byte

// prefix is the state of a file's two digests and sizes at a place.
type prefix struct {
	size, openSize int64
	sum, openSum   []byte
}

func (p *prefixes) get(key prefixKey) (prefix, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.kept[key]
	return x, ok
}

func (p *prefixes) put(key prefixKey, x prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil || len(p.kept) >= maxPrefixes {
		p.kept = map[prefixKey]prefix{} // they come back with the next write of each repository
	}
	p.kept[key] = x
}

// firstPrefix is the key of a file that holds its head alone.
func firstPrefix(k kind, head []byte) prefixKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s", k, head))
}

// next is the key of the file with a block more. The member's checksum is part of it: another version of the
// compressor may have made the stored block.
func (key prefixKey) next(b block, memberSum uint32) prefixKey {
	x := append(append(make([]byte, 0, 2*sha256.Size+4), key[:]...), b.key[:]...)
	return sha256.Sum256(binary.BigEndian.AppendUint32(x, memberSum))
}

// summer digests a file as it is written, compressed and not.
type summer struct {
	sum, openSum   hash.Hash
	size, openSize int64
}

func newSummer() *summer { return &summer{sum: sha256.New(), openSum: sha256.New()} }

func (s *summer) add(p part) {
	s.sum.Write(p.member)
	s.openSum.Write(p.open)
	s.size += int64(len(p.member))
	s.openSize += int64(len(p.open))
}

// prefix gives the state; restore goes back to it.
func (s *summer) prefix() (prefix, error) {
	sum, err := s.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return prefix{}, fmt.Errorf("keep digest: %w", err)
	}
	open, err := s.openSum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return prefix{}, fmt.Errorf("keep digest: %w", err)
	}
	return prefix{s.size, s.openSize, sum, open}, nil
}

func (s *summer) restore(p prefix) error {
	s.size, s.openSize = p.size, p.openSize
	return errors.Join(s.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(p.sum),
		s.openSum.(encoding.BinaryUnmarshaler).UnmarshalBinary(p.openSum))
}
