package testnode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxAppend is the server's default MaxAppendSize, counted as it counts: data, metadata, and two bytes for each of the type's.
const maxAppend = 1 << 20

type streamService struct {
	streams.UnimplementedStreamsServer
	log *log
}

// refuse answers with the exception's name in the trailer, where the client looks for it.
func refuse(ctx context.Context, code codes.Code, exception, message string) error {
	if err := grpc.SetTrailer(ctx, metadata.Pairs("exception", exception)); err != nil {
		return err
	}
	return status.Error(code, message)
}

func (s *streamService) Append(st streams.Streams_AppendServer) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	o := first.GetOptions()
	if o == nil {
		return status.Error(codes.InvalidArgument, "the first message must be options")
	}
	var expected int64
	switch x := o.ExpectedStreamRevision.(type) {
	case *streams.AppendReq_Options_Revision:
		expected = int64(x.Revision)
	case *streams.AppendReq_Options_NoStream:
		expected = noStream
	case *streams.AppendReq_Options_Any:
		expected = anyRevision
	default:
		return status.Errorf(codes.InvalidArgument, "expectation %T", x)
	}
	rs, err := receive(st)
	if err != nil {
		return err
	}
	last, err := s.log.append(string(o.GetStreamIdentifier().GetStreamName()), expected, rs)
	var wrong *wrongRevision
	if errors.As(err, &wrong) {
		return st.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: conflict(wrong.current, expected)}})
	}
	if err != nil {
		return err
	}
	return st.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(last.revision)},
		PositionOption: &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
			CommitPosition: last.position, PreparePosition: last.position,
		}},
	}}})
}

// receive takes the proposed events of an append until the client closes its side.
func receive(st streams.Streams_AppendServer) (rs []*record, err error) {
	for size := 0; ; {
		req, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return rs, nil
		}
		if err != nil {
			return nil, err
		}
		m := req.GetProposedMessage()
		if m == nil || m.Metadata["type"] == "" || m.Metadata["content-type"] == "" {
			return nil, refuse(st.Context(), codes.InvalidArgument, "missing-required-metadata-property", "required metadata is missing")
		}
		if size += len(m.Data) + len(m.CustomMetadata) + 2*len(m.Metadata["type"]); size > maxAppend {
			return nil, refuse(st.Context(), codes.InvalidArgument, "maximum-append-size-exceeded", fmt.Sprintf("Maximum Append Size of %d Exceeded.", maxAppend))
		}
		rs = append(rs, &record{
			id: fromProto(m.Id), typ: m.Metadata["type"], contentType: m.Metadata["content-type"], data: m.Data, meta: m.CustomMetadata,
		})
	}
}

func conflict(current, expected int64) *streams.AppendResp_WrongExpectedVersion {
	w := &streams.AppendResp_WrongExpectedVersion{}
	if current < 0 {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	} else {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(current)}
	}
	switch expected {
	case noStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	case anyRevision:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	default:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(expected)}
	}
	return w
}

func fromProto(u *shared.UUID) (id uuid.UUID) {
	if x := u.GetStructured(); x != nil {
		binary.BigEndian.PutUint64(id[:8], uint64(x.MostSignificantBits))
		binary.BigEndian.PutUint64(id[8:], uint64(x.LeastSignificantBits))
		return id
	}
	id, _ = uuid.Parse(u.GetString_()) // what cannot be read is no id, and stays zero
	return id
}

func toProto(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits: int64(binary.BigEndian.Uint64(id[:8])), LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}
