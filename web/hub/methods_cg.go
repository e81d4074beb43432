package hub

import (
	"strings"

	"moromi/commands"
	"moromi/commands/metadata"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/archive"
)

// generatorMethods are content generators: programs that build elsewhere and import what they built.
func generatorMethods(d Deps) []Method {
	return []Method{
		{Name: "listCGs", Params: "", Auth: Anonymous, Help: "The content generators that somebody may import as, by name: id and users.", Func: func(c *Call, _ Args) (any, error) {
			return archive.Generators(c.Context(), d.DB)
		}},
		{Name: "grantCGAccess", Params: "user, cg, create=False", Auth: Admin, Write: true, Help: "Let a user import as a content generator; create makes one of a new name.", Func: d.grantCGAccess},
		{Name: "CGInitBuild", Params: "cg, data", Auth: Custom("the users of the content generator"), Write: true, Help: "Reserve a build: name, version, release and perhaps epoch, draft, source, extra, task_id. Answers its id and a token, which is a secret.", Func: d.cgInitBuild},
		{Name: "CGRefundBuild", Params: "cg, build_id, token, state=3", Auth: Custom("the users of the content generator, with the build's token"), Write: true, Help: "Give a reserved build back, as FAILED (3) or CANCELED (4).", Func: d.cgRefundBuild},
		{Name: "CGImport", Params: "metadata, directory, token=None", Auth: Custom("the users of the content generator that the metadata names, and the policy cg_import"), Write: true,
			Help: "Import a build: metadata of version 0, as a struct, as JSON, or as the name of an uploaded file; directory is where the files were uploaded. Answers the build.", Func: d.cgImport},
		{Name: "revokeCGAccess", Params: "user, cg", Auth: Admin, Write: true, Help: "Take that away.", Func: d.revokeCGAccess},
	}
}

// generatorUser gives the user of a call about access.
func (d Deps) generatorUser(c *Call, a Args) (int64, commands.Actor, error) {
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return 0, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	return u["id"].(int64), actor, err
}

func (d Deps) grantCGAccess(c *Call, a Args) (any, error) {
	user, actor, err := d.generatorUser(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.GrantGenerator(c.Context(), actor, user, a.Get("cg"), a.Bool("create"))
}

func (d Deps) revokeCGAccess(c *Call, a Args) (any, error) {
	user, actor, err := d.generatorUser(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RevokeGenerator(c.Context(), actor, user, a.Get("cg"))
}

func (d Deps) cgInitBuild(c *Call, a Args) (any, error) {
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.Service.AssertGenerator(c.Context(), actor, a.Get("cg")); err != nil {
		return nil, err
	}
	data, ok := a.Get("data").(map[string]any)
	if !ok {
		return nil, fault.New(fault.Parameter, "data must be a struct, not %s", pyType(a.Get("data")))
	}
	in, err := newReservation(data)
	if err != nil {
		return nil, err
	}
	r, err := d.Service.ReserveBuild(c.Context(), actor, a.Get("cg"), in)
	if err != nil {
		return nil, err
	}
	return map[string]any{"build_id": r.BuildID, "token": r.Token}, nil
}

// newReservation reads CGInitBuild's data. What else is in it does not count, as in Koji.
func newReservation(data map[string]any) (commands.NewReservation, error) {
	in := commands.NewReservation{Draft: xmlrpc.Truthy(data["draft"])}
	for _, f := range []struct {
		key string
		to  *string
	}{{"version", &in.Version}, {"release", &in.Release}, {"name", &in.Name}} {
		s, ok := data[f.key].(string)
		if !ok {
			return in, fault.New(fault.Parameter, "data needs %s, as text", f.key)
		}
		*f.to = s
	}
	for key, to := range map[string]**int64{"epoch": &in.Epoch, "task_id": &in.TaskID} {
		if data[key] == nil {
			continue
		}
		n, ok := data[key].(int64)
		if !ok {
			return in, fault.New(fault.Parameter, "%s must be a number, not %s", key, pyType(data[key]))
		}
		*to = &n
	}
	if data["source"] != nil {
		s, ok := data["source"].(string)
		if !ok {
			return in, fault.New(fault.Parameter, "source must be text, not %s", pyType(data["source"]))
		}
		in.Source = &s
	}
	if data["extra"] != nil {
		raw, err := metadata.JSON(data["extra"])
		if err != nil {
			return in, fault.Wrap(err, fault.Generic, "No such build extra data: JSON has no form for it")
		}
		in.Extra = raw
	}
	return in, nil
}

func (d Deps) cgRefundBuild(c *Call, a Args) (any, error) {
	state, ok := a.Get("state").(int64)
	if !ok || koji.BuildState(state) != koji.BuildFailed && koji.BuildState(state) != koji.BuildCanceled {
		return nil, fault.New(fault.Generic, "Only FAILED/CANCELED build states are allowed")
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.Service.AssertGenerator(c.Context(), actor, a.Get("cg")); err != nil {
		return nil, err
	}
	b, err := d.theBuild(c, a.Get("build_id"))
	if err != nil {
		return nil, err
	}
	token, _ := a.Get("token").(string)
	return nil, d.Service.RefundBuild(c.Context(), actor, a.Get("cg"), b, token, koji.BuildState(state))
}

func (d Deps) cgImport(c *Call, a Args) (any, error) {
	m, err := d.metadata(c, a)
	if err != nil {
		return nil, err
	}
	dir, err := a.String("directory")
	if err != nil {
		return nil, err
	}
	token, err := a.StringOr("token", "")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	b, err := d.Service.ImportContent(c.Context(), actor, m, dir, token)
	return orNil(b, err)
}

// metadataFile is the name of the uploaded document if none is given.
const metadataFile = "metadata.json"

// metadata reads CGImport's document. Files are read for those who are logged in only.
func (d Deps) metadata(c *Call, a Args) (*metadata.Metadata, error) {
	var name string
	switch v := a.Get("metadata").(type) {
	case map[string]any:
		return metadata.Read(v)
	case nil:
		name = metadataFile
	case string:
		if name = v; !strings.HasSuffix(v, ".json") {
			return metadata.Parse(v)
		}
	default:
		return nil, fault.New(fault.Parameter, "metadata must be a struct or text, not %s", pyType(v))
	}
	if !c.LoggedIn() {
		return nil, fault.New(fault.Auth, "Not logged-in")
	}
	dir, err := a.String("directory")
	if err != nil {
		return nil, err
	}
	return d.Service.ReadMetadata(dir, name)
}
