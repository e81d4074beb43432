package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/web/auth"
)

// Method is one method of the protocol.
type Method struct {
	// Name is what clients call, "listTagged" or "host.openTask".
	Name string
	// Params are the parameters in Python's notation, "tagInfo, strict=False, event=None"; *args and **opts may end them.
	Params string
	// Auth says who may call. A method that declares none is refused by New.
	Auth Auth
	// First refuses what Koji refuses before it asks who calls: it sees the arguments only, changes nothing, and may say nothing that is not
	// open to everyone. Most methods have none.
	First func(*Call, Args) error
	// Write says that the method may change something: its call number is claimed before it runs.
	Write bool
	// Rides says that all it changes are events, or takes the context's events.Rider along: the session is looked at, and the call number stored, with
	// the first change.
	Rides bool
	// Help is what the method does, for system.methodHelp and the list of methods.
	Help string
	// Func answers. The result is what xmlrpc encodes; an iter.Seq2[any, error] is streamed as an array.
	Func func(*Call, Args) (any, error)
	// Plugin says that Koji has the method from a plugin; see Config.ListPlugins.
	Plugin bool

	sig   *signature
	place int // among the methods as they were given
}

// Users is what the hub asks about users. Implementations must be safe for concurrent use.
type Users interface {
	auth.Users
	// Permissions are the names of a user's permissions, those of the user's groups included.
	Permissions(ctx context.Context, userID int64) ([]string, error)
	// PermissionExists tells whether a permission of that name is defined.
	PermissionExists(ctx context.Context, name string) (bool, error)
	// HostOf gives the build host of a host user; ok is false for other users.
	HostOf(ctx context.Context, userID int64) (hostID int64, ok bool, err error)
}

// Tasks is what uploads ask about tasks.
type Tasks interface {
	// OpenOn tells which host has the task open: 0 if none has. known is false for a task that does not exist.
	OpenOn(ctx context.Context, taskID int64) (hostID int64, known bool, err error)
}

// Volumes names the storage volumes, DEFAULT included.
type Volumes interface {
	VolumeNames(ctx context.Context) ([]string, error)
}

// Notice is a hint to a builder that something of its changed.
type Notice struct {
	Reason string // "assigned", "awaited", "canceled" or "hello"
	Task   int64  // 0 if it is about no task
}

// Notifier tells builders of their tasks.
type Notifier interface {
	// Subscribe gives the notices for a host until cancel is called. A channel that is full may drop notices; a closed one ends the stream.
	Subscribe(hostID int64) (notices <-chan Notice, cancel func())
}

// Config is what a Hub is made of. Users, Sessions, Storage, Tasks, Volumes, Notifier and Log are required.
type Config struct {
	Methods  []Method // the domain's; this package adds its own
	Users    Users
	Sessions *auth.Sessions
	Storage  *storage.Topdir
	// RepoFiles has the files of repositories that are not in Storage; nil: none are missing there.
	RepoFiles RepoFiles
	// RepoKey is the public key that repositories are signed with; nil: they are not.
	RepoKey  []byte
	Tasks    Tasks
	Volumes  Volumes
	Notifier Notifier
	Log      *slog.Logger
	Clock    func() time.Time // nil: time.Now

	// Identity names the caller of sslLogin; nil refuses it.
	Identity auth.IdentityProvider
	// ProxyPrincipals (Kerberos) and ProxyDNs (certificates, in RFC 2253's spelling or with slashes) may log in others through sslLogin.
	ProxyPrincipals, ProxyDNs []string
	// AnyProxyAuthType lets those choose the recorded way of login (Koji's AllowProxyAuthType).
	AnyProxyAuthType bool
	// Realms are those whose principals may log in (Koji's AllowedKrbRealms).
	Realms koji.Realms
	// Enrol makes users of those who log in by certificate or ticket for the first time (Koji's LoginCreatesUser); nil refuses them.
	Enrol Enrol

	// HeaderSessionsOnly refuses sessions in the query string (Koji's DisableURLSessions).
	HeaderSessionsOnly bool
	// TrustedProxies are the addresses of reverse proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// LockOut lets only admins in, ServerOffline nobody; OfflineMessage says why.
	LockOut        bool
	ServerOffline  bool
	OfflineMessage string
	// ListPlugins lets system.listMethods and _listapi name the methods that Koji has from plugins. They can be called whatever it says. Nil: never.
	ListPlugins func() bool
	// Options is what showOpts tells admins. It must hold no secret.
	Options map[string]any
	// Changes tells when answers that were given become stale; nil: none is kept to be given again.
	Changes Changes
	// AnswerDir is a directory for long answers, which do not stay in memory until they are sent; empty: the system's for temporary files. Several
	// processes may share it, and nothing stays in it.
	AnswerDir string
	// Limits; the zero value is DefaultLimits.
	Limits Limits
}

// Hub answers Koji's protocol. It is safe for concurrent use and holds no state that another hub process would need.
type Hub struct {
	cfg     Config
	methods map[string]*Method
	order   []*Method // in Koji's order
	plain   []*Method // those of them that are no plugin's
	files   *files
	answers *answerCache // nil: none are kept
	streams atomic.Int64
}

// New checks the table of methods and makes a hub. It refuses a name that is there twice, Params that cannot be parsed, and a method that
// declares no authorisation, no help or no function; the error names every such method.
func New(cfg Config) (*Hub, error) {
	if cfg.Users == nil || cfg.Sessions == nil || cfg.Storage == nil || cfg.Tasks == nil || cfg.Volumes == nil || cfg.Notifier == nil || cfg.Log == nil {
		return nil, errors.New("hub: Users, Sessions, Storage, Tasks, Volumes, Notifier and Log are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	cfg.Limits = cfg.Limits.orDefault()
	h := &Hub{cfg: cfg, methods: map[string]*Method{}}
	h.files = &files{top: cfg.Storage, repos: cfg.RepoFiles, key: cfg.RepoKey, reads: newLatestReads(cfg.Clock), log: cfg.Log, remote: h.remoteAddr}
	var errs []error
	for _, m := range append(h.ownMethods(), cfg.Methods...) {
		if err := h.add(m); err != nil {
			errs = append(errs, fmt.Errorf("method %q: %w", m.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h.order = inKojiOrder(h.methods)
	h.plain = slices.DeleteFunc(slices.Clone(h.order), func(m *Method) bool { return m.Plugin })
	if cfg.AnswerDir != "" {
		if err := os.MkdirAll(cfg.AnswerDir, 0o700); err != nil {
			return nil, fmt.Errorf("make directory for answers: %w", err)
		}
	}
	if cfg.Changes != nil {
		h.answers = newAnswerCache(cfg.Changes, cfg.Log)
	}
	return h, nil
}

// methodName is what a method may be called: the root ones, and those of a module.
var methodName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func (h *Hub) add(m Method) error {
	switch {
	case !methodName.MatchString(m.Name):
		return errors.New("not a method name")
	case h.methods[m.Name] != nil:
		return errors.New("is there twice")
	case m.Auth == nil:
		return errors.New("declares no authorisation")
	case strings.TrimSpace(m.Help) == "":
		return errors.New("has no help")
	case m.Func == nil:
		return errors.New("has no function")
	}
	if err := m.Auth.valid(); err != nil {
		return err
	}
	sig, err := parseParams(m.Params)
	if err != nil {
		return fmt.Errorf("params: %w", err)
	}
	m.sig, m.place = sig, len(h.methods)
	h.methods[m.Name] = &m
	return nil
}

// Methods are this hub's own methods and then those in Koji's order, for documentation and tests of the authorisation matrix.
func (h *Hub) Methods() []Method {
	var out []Method
	for _, name := range slices.Sorted(maps.Keys(h.methods)) {
		if strings.HasPrefix(name, "moromi.") {
			out = append(out, *h.methods[name])
		}
	}
	for _, m := range h.order {
		out = append(out, *m)
	}
	return out
}

// listed are the methods as system.listMethods gives them.
func (h *Hub) listed() []*Method {
	if h.cfg.ListPlugins != nil && h.cfg.ListPlugins() {
		return h.order
	}
	return h.plain
}

// ownMethods are the methods that need no domain.
func (h *Hub) ownMethods() []Method {
	var all []Method
	for _, rows := range [][]Method{h.introspectionMethods(), h.multicallMethods(), debugMethods(), h.sessionMethods(), h.loginMethods(), h.filterMethods(), h.uploadMethods()} {
		all = append(all, rows...)
	}
	return all
}
