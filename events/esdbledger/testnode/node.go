// Package testnode is a single EventStoreDB node for tests: it speaks the gRPC protocol to the unmodified client and keeps its log in memory.
//
// It answers what events/esdbledger asks (append, reads and subscriptions of streams and of all, gossip, server features), by the rules of
// server version 23.10 for expectations, retries and limits, and it has the server's awkward sides: positions with gaps, system events in
// between, subscriptions that are dropped. It proves nothing about a real server; the contract suite runs on one as well.
package testnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
)

// maxMessage lets the node receive what is over its append limit, so that it can refuse it as the server does.
const maxMessage = 17 << 20

// Node is a server that can go away and come back on the same address, with its log.
type Node struct {
	t    testing.TB
	addr *net.TCPAddr
	log  *log

	mu      sync.Mutex
	grpc    *grpc.Server // nil while it is down
	serving sync.WaitGroup
}

// Start runs an empty node until the test ends.
func Start(t testing.TB) *Node {
	t.Helper()
	n := &Node{t: t, log: newLog()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testnode: %v", err)
	}
	n.addr = l.Addr().(*net.TCPAddr)
	n.serve(l)
	t.Cleanup(n.Down)
	return n
}

// URL is the connection string that leads to the node.
func (n *Node) URL() string { return fmt.Sprintf("esdb://%s?tls=false", n.addr) }

// DiscoverURL leads to the node by gossip, as to a cluster.
func (n *Node) DiscoverURL() string { return fmt.Sprintf("esdb+discover://%s?tls=false", n.addr) }

// Down cuts all connections and refuses new ones.
func (n *Node) Down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.grpc != nil {
		n.grpc.Stop()
		n.serving.Wait()
		n.grpc = nil
	}
}

// Up undoes Down.
func (n *Node) Up() {
	n.mu.Lock()
	running := n.grpc != nil
	n.mu.Unlock()
	if running {
		return
	}
	l, err := net.ListenTCP("tcp", n.addr)
	if err != nil {
		n.t.Errorf("testnode: %v", err)
		return
	}
	n.serve(l)
}

func (n *Node) serve(l net.Listener) {
	g := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
	streams.RegisterStreamsServer(g, &streamService{log: n.log})
	serverfeatures.RegisterServerFeaturesServer(g, featureService{})
	gossip.RegisterGossipServer(g, gossipService{addr: n.addr})
	n.mu.Lock()
	n.grpc = g
	n.mu.Unlock()
	n.serving.Go(func() {
		if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.t.Errorf("testnode: %v", err)
		}
	})
}

// DropSubscriptions ends all subscriptions as the server does with a consumer that is too slow.
func (n *Node) DropSubscriptions() { n.log.dropSubscriptions() }

// WriteSystemEvents adds events of the server's own, such as statistics.
func (n *Node) WriteSystemEvents(count int) { n.log.writeSystem(count) }

type featureService struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

func (featureService) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: "23.10.6"}, nil
}

type gossipService struct {
	gossip.UnimplementedGossipServer
	addr *net.TCPAddr
}

func (g gossipService) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		State: gossip.MemberInfo_Leader, IsAlive: true, HttpEndPoint: &gossip.EndPoint{Address: g.addr.IP.String(), Port: uint32(g.addr.Port)},
	}}}, nil
}
