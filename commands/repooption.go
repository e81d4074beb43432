package commands

import (
	"context"
	"path"

	"moromi/events"
	"moromi/internal/fault"
)

// RepoConfig is how a site wants its repositories (hub.conf of Koji 1.35 has the same names and defaults).
type RepoConfig struct {
	// Shell patterns of the names of tags whose repositories have these by default.
	DebuginfoTags, SourceTags, SeparateSourceTags []string
	EnableMaven                                   bool
	// Lag is how far behind its tag a repository that was not asked for more may be; AutoLag that of tags with repo.auto. Seconds.
	Lag, AutoLag int64
	// LagWindow rounds moments, so that requests close to each other ask for the same event. Seconds.
	LagWindow int64
	// MaxTasks and MaxMavenTasks bound the newRepo tasks that requests start at once; Retries how often one is tried again.
	MaxTasks, MaxMavenTasks, Retries int64
	// QueueUser owns those tasks.
	QueueUser string
	// DistByBuilders leaves distRepo tasks to builders; else the hub carries them out itself.
	DistByBuilders bool
}

// DefaultRepoConfig is Koji's.
func DefaultRepoConfig() RepoConfig {
	return RepoConfig{EnableMaven: true, Lag: 3600, AutoLag: 7200, LagWindow: 600, MaxTasks: 10, MaxMavenTasks: 2, Retries: 3, QueueUser: "kojira"}
}

// ParseRepoOpts reads repository options as clients give them: a struct of booleans. Strict refuses what is not known; else it is left out.
func ParseRepoOpts(v any, strict bool) (events.RepoOpts, error) {
	var o events.RepoOpts
	if v == nil {
		return o, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		if strict {
			return o, fault.New(fault.Parameter, "Repo opts must be a dictionary")
		}
		return o, nil
	}
	places := map[string]**bool{"src": &o.Src, "debuginfo": &o.Debuginfo, "separate_src": &o.SeparateSrc, "maven": &o.Maven}
	for k, v := range m {
		to := places[k]
		if to == nil {
			if strict {
				return o, fault.New(fault.Parameter, "Invalid repo option: %s", k)
			}
			continue
		}
		if v == nil {
			continue
		}
		b := truth(v)
		*to = &b
	}
	return o, nil
}

// truth is Python's bool().
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// repoTag is what a repository needs to know of its tag.
type repoTag struct {
	id    int64
	name  string
	maven bool
	extra map[string]any
}

// repoTag gives a tag with the extra settings that it has or inherits, as of an event if one is given.
func (s *Service) repoTag(ctx context.Context, tag any, event *int64) (repoTag, error) {
	row, err := s.tagInfo(ctx, tag, event)
	if err != nil {
		return repoTag{}, err
	}
	t := repoTag{id: row["id"].(int64), name: row["name"].(string)}
	t.maven, _ = row["maven_support"].(bool)
	t.extra, _ = row["extra"].(map[string]any)
	return t, nil
}

// RepoOptsAt gives the options that a tag's repositories have by themselves, as of an event.
func (s *Service) RepoOptsAt(ctx context.Context, tag, event int64) (events.RepoOpts, error) {
	t, err := s.repoTag(ctx, tag, &event)
	if err != nil {
		return events.RepoOpts{}, err
	}
	opts, _ := s.repoOpts(t, events.RepoOpts{})
	return opts, nil
}

// repoOpts gives the options of a tag's repository and which of them are not the tag's own (kojihub.repos.get_repo_opts).
func (s *Service) repoOpts(t repoTag, override events.RepoOpts) (opts, custom events.RepoOpts) {
	c := s.Repos
	src, debuginfo, separate, maven := fits(t.name, c.SourceTags), fits(t.name, c.DebuginfoTags), fits(t.name, c.SeparateSourceTags), false
	opts = events.RepoOpts{Src: &src, Debuginfo: &debuginfo, SeparateSrc: &separate, Maven: &maven}
	own, _ := ParseRepoOpts(t.extra["repo.opts"], false)
	if _, given := t.extra["repo.opts"]; !given && t.extra["with_debuginfo"] != nil {
		b := truth(t.extra["with_debuginfo"])
		own.Debuginfo = &b
	}
	overlay(&opts, own)
	switch {
	case !c.EnableMaven:
		off := false
		opts.Maven = &off
	case t.maven:
		on := true
		opts.Maven = &on
	}
	for i, v := range override.List() {
		if v != nil && *v != *opts.List()[i] {
			set(&custom, i, v)
		}
	}
	overlay(&opts, custom)
	return opts, custom
}

func overlay(o *events.RepoOpts, over events.RepoOpts) {
	for i, v := range over.List() {
		if v != nil {
			set(o, i, v)
		}
	}
}

// set sets option number i of RepoOpts.List.
func set(o *events.RepoOpts, i int, v *bool) {
	*[]**bool{&o.Src, &o.Debuginfo, &o.SeparateSrc, &o.Maven}[i] = v
}

// fits tells whether one of the shell patterns fits a name.
func fits(name string, patterns []string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}
