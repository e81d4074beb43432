package testnode

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// pageSize is how many records one look into the log takes.
	pageSize = 256
	// defaultWindow is the server's default for how many events a filter looks at between two checkpoints.
	defaultWindow = 32
)

// cursor is a read under way.
type cursor struct {
	stream    string // empty: all
	index     int    // of the next record
	left      uint64
	backwards bool
	live      bool // a subscription: goes on when there is no more
	match     func(*record) bool
	every     int // records between checkpoints; 0: none are sent
}

func (s *streamService) Read(r *streams.ReadReq, st streams.Streams_ReadServer) error {
	c, err := s.cursor(r.GetOptions())
	if err != nil {
		return err
	}
	if c.live {
		err := st.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
			Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
		}})
		if err != nil {
			return err
		}
		return s.follow(c, st)
	}
	if c.stream != "" && s.log.length(c.stream) == 0 {
		return st.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(c.stream)},
		}}})
	}
	_, err = s.send(c, st)
	return err
}

// follow is a subscription: history, the word that it is over, and then what comes.
func (s *streamService) follow(c *cursor, st streams.Streams_ReadServer) error {
	_, drop := s.log.signals()
	for caughtUp := false; ; {
		grown, _ := s.log.signals()
		if _, err := s.send(c, st); err != nil {
			return err
		}
		if !caughtUp {
			caughtUp = true
			if err := st.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}); err != nil {
				return err
			}
		}
		select {
		case <-grown:
		case <-drop:
			return status.Error(codes.Aborted, "Consumer too slow to handle event while live. Client resubscription required.")
		case <-st.Context().Done():
			return st.Context().Err()
		}
	}
}

// send sends what there is from the cursor on.
func (s *streamService) send(c *cursor, st streams.Streams_ReadServer) (sent int, err error) {
	for considered := 0; c.left > 0; {
		rs := s.log.read(c.stream, c.index, int(min(c.left, pageSize)), c.backwards)
		if len(rs) == 0 {
			return sent, nil
		}
		for _, r := range rs {
			if c.match(r) {
				c.left--
				sent++
				if err := st.Send(message(r)); err != nil {
					return sent, err
				}
			}
			if considered++; c.every > 0 && considered%c.every == 0 {
				err := st.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{
					CommitPosition: rs[0].position, PreparePosition: rs[0].position, // of the page's start, as v23.10 does it while catching up
				}}})
				if err != nil {
					return sent, err
				}
			}
		}
		if c.backwards {
			c.index -= len(rs)
		} else {
			c.index += len(rs)
		}
		if c.index < 0 {
			return sent, nil
		}
	}
	return sent, nil
}

func (s *streamService) cursor(o *streams.ReadReq_Options) (*cursor, error) {
	c := &cursor{backwards: o.GetReadDirection() == streams.ReadReq_Options_Backwards, left: math.MaxUint64}
	switch x := o.CountOption.(type) {
	case *streams.ReadReq_Options_Count:
		c.left = x.Count
	case *streams.ReadReq_Options_Subscription:
		c.live = true
	}
	switch x := o.StreamOption.(type) {
	case *streams.ReadReq_Options_Stream:
		c.stream = string(x.Stream.GetStreamIdentifier().GetStreamName())
		switch at := x.Stream.RevisionOption.(type) {
		case *streams.ReadReq_Options_StreamOptions_Revision:
			c.index = int(min(at.Revision, math.MaxInt32))
			if c.live { // subscriptions begin after what they name
				c.index++
			}
		case *streams.ReadReq_Options_StreamOptions_End:
			c.index = s.atEnd(c)
		}
	case *streams.ReadReq_Options_All:
		switch at := x.All.AllOption.(type) {
		case *streams.ReadReq_Options_AllOptions_Position:
			c.index = s.log.indexAt(at.Position.CommitPosition)
			switch {
			case c.backwards: // exclusive
				c.index--
			case c.live:
				c.index = s.log.indexAt(at.Position.CommitPosition + 1)
			}
		case *streams.ReadReq_Options_AllOptions_End:
			c.index = s.atEnd(c)
		}
	default:
		return nil, status.Errorf(codes.InvalidArgument, "stream option %T", x)
	}
	if c.index < 0 { // backwards from the beginning
		c.left = 0
	}
	return c, c.filter(o)
}

func (s *streamService) atEnd(c *cursor) int {
	if c.backwards {
		return s.log.length(c.stream) - 1
	}
	return s.log.length(c.stream)
}

// filter sets which records a cursor sends. The server applies filters to reads of all only.
func (c *cursor) filter(o *streams.ReadReq_Options) error {
	c.match = func(*record) bool { return true }
	f := o.GetFilter()
	if f == nil {
		return nil
	}
	window := int(f.GetMax())
	if window == 0 {
		window = defaultWindow
	}
	c.every = window * int(f.GetCheckpointIntervalMultiplier())
	x, field := f.GetStreamIdentifier(), func(r *record) string { return r.stream }
	if x == nil {
		x, field = f.GetEventType(), func(r *record) string { return r.typ }
	}
	if x.GetRegex() != "" {
		re, err := regexp.Compile(x.GetRegex())
		if err != nil {
			return status.Errorf(codes.InvalidArgument, "filter: %v", err)
		}
		c.match = func(r *record) bool { return re.MatchString(field(r)) }
		return nil
	}
	prefixes := x.GetPrefix()
	c.match = func(r *record) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(field(r), p) {
				return true
			}
		}
		return false
	}
	return nil
}

func message(r *record) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: r.position},
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: toProto(r.id), StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.stream)},
			StreamRevision: uint64(r.revision), CommitPosition: r.position, PreparePosition: r.position,
			Metadata: map[string]string{
				"type": r.typ, "content-type": r.contentType, "created": strconv.FormatInt(r.created.UnixNano()/100, 10), // ticks of 100 ns
			},
			CustomMetadata: r.meta, Data: r.data,
		},
	}}}
}
