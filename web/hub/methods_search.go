package hub

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/search"
)

// searchMethods find things by name.
func searchMethods(d Deps) []Method {
	return []Method{
		{Name: "search", Params: "terms, type, matchType, queryOpts=None", Auth: Anonymous,
			Help: "Things of a type (package, build, tag, target, user, host, rpm, maven, win) whose names match: matchType glob, regexp, or else exactly.", Func: d.search},
	}
}

// invalidRegexp is the SQLSTATE for a regular expression that PostgreSQL does not understand.
const invalidRegexp = "2201B"

func (d Deps) search(c *Call, a Args) (any, error) {
	if !a.Bool("terms") {
		return nil, fault.New(fault.Generic, "empty search terms")
	}
	kind, text := a.Get("type").(string)
	if !text {
		return nil, fault.New(fault.Generic, "No such search type: %s", clip(pyRepr(a.Get("type"))))
	}
	terms, err := a.String("terms")
	if err != nil {
		return nil, err
	}
	if strings.ContainsRune(terms, 0) {
		return nil, fault.New(fault.Parameter, "search terms cannot hold a NUL character")
	}
	match, err := a.StringOr("matchType", "")
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	if kind == "file" { // files are no longer searched for in Koji either
		return applyOpts([]query.Row{}, o, nil)
	}
	res, err := search.Find(c.Context(), d.DB, terms, kind, match, o)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == invalidRegexp {
		return nil, fault.Wrap(err, fault.Internal, "not a regular expression: %s", clip(terms))
	}
	return res, err
}
