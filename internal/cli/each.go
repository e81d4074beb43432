package cli

// each looks up what the arguments name and shows it, or with --json prints all of it. What is not there is said, and is the command's
// status; the others are shown nevertheless. what is the kind of thing, as "build".
func (v *invocation) each(what string, find func(arg string) (row, error), show func(found row) error) error {
	missing := false
	list := []row{}
	for _, arg := range v.args {
		found, err := find(arg)
		switch {
		case err != nil:
			return err
		case found == nil:
			v.warnf("No such %s: %s", what, arg)
			missing = true
		case v.json:
			list = append(list, found)
		default:
			if err := show(found); err != nil {
				return err
			}
		}
	}
	if v.json {
		if err := v.printJSON(list); err != nil {
			return err
		}
	}
	if missing {
		return &statusError{statusFailed}
	}
	return nil
}
