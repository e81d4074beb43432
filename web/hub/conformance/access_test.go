package conformance_test

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// readAccess gives, by method of Koji's, who may call it as Koji's source has it, in the words of hub.Auth.
func readAccess(t testing.TB) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/access.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	all := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) < 2 {
			t.Fatalf("a line without columns: %q", lines.Text())
		}
		all[cells[0]] = cells[1]
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// declaredOtherwise are the methods whose declaration is not what Koji's source asserts outright, with the reason. What the methods declared as
// custom really decide is in TestCustomAuthorisation.
//
// None of them lets in or keeps out anybody else than Koji.
func declaredOtherwise() map[string]difference {
	inner := difference{"custom: the method that is called", "Koji's methods that call others leave it to those, too"}
	own := difference{"custom: users change what they are told themselves", "Koji compares the user of the notification with the caller, after it looked the notification up, and has no assertion"}
	pkglist := difference{"custom: logged in and allowed by the policy package_list", "Koji looks up tag, package and owner, and then asks who calls"}
	session := difference{"custom: without a session", "Koji has no assertion but fails with AuthError where there is no session"}
	generator := difference{"custom: the users of the content generator", "Koji looks the generator up before it asks who calls, and then asks for the right to it"}
	return map[string]difference{
		"count": inner, "filterResults": inner, "countAndFilterResults": inner,
		"createNotification": own, "updateNotification": own, "deleteNotification": own, "createNotificationBlock": own, "deleteNotificationBlock": own,
		"packageListAdd": pkglist, "packageListBlock": pkglist, "packageListRemove": pkglist, "packageListSetArches": pkglist,
		"packageListSetOwner": pkglist, "packageListUnblock": pkglist,
		"subsession": session, "logoutChild": session, "exclusiveSession": session, "sharedSession": session,
		"logout":      {"custom: a session is ended by its owner or an admin", "Koji decides in Session.logout, which has no assertion"},
		"CGInitBuild": generator, "CGImport": generator, "CGRefundBuild": generator,
		"assignTask":                   {"admin", "Koji's facts come from the export table, and this method's assertion is in the scheduler"},
		"buildImage":                   {"custom: the permission is named as the type of image", "the permission is an argument in Koji, too"},
		"cancelTask":                   {"custom: the task's owner, its host or an admin", "so does Koji, with ActionNotAllowed for nobody as for others"},
		"checkUpload":                  {"anonymous", "Koji asks for a login only where it makes the directory, and here it does not"},
		"deleteExternalRepo":           {"admin", "Koji asks for admin, and then for tag for each tag that loses the repository, which an admin has"},
		"distRepo":                     {"session", "Koji asks the policy, which no default gives to nobody, and makes a task, for which somebody must be logged in"},
		"getSessionInfo":               {"custom: others' sessions are for admins", "Koji decides inside; nobody gets nothing"},
		"importArchive":                {"custom: the permission to import archives of the type", "Koji asks for the permission of the type only"},
		"moveBuild":                    {"session", "Koji's hands the call on to tagBuild, which asserts it"},
		"newRepo":                      {"perm repo or regen-repo", "Koji asks with hasPerm for repo first; only its refusal names regen-repo alone"},
		"host.moveImageBuildToScratch": {"custom: hosts, after a look at the form of the results", "Koji looks at the results before the caller"},
	}
}

// difference is how a method is declared, or the beginning of it, and why it is not as Koji's source says outright.
type difference struct{ declared, reason string }

// TestAccess holds who may call each method against Koji's source. A difference must be one of those that are known, and a known one must be one.
func TestAccess(t *testing.T) {
	t.Parallel()
	want, otherwise := readAccess(t), declaredOtherwise()
	seen := map[string]bool{}
	for _, m := range newSite(t, "").hub.Methods() {
		k, ok := want[m.Name]
		if !ok {
			continue // a plugin's or our own: TestSignatures has them
		}
		seen[m.Name] = true
		have, diff := m.Auth.String(), otherwise[m.Name]
		switch {
		case have == k && diff.declared != "":
			t.Errorf("%s is declared %q as in Koji, and listed as different: %s", m.Name, have, diff.reason)
		case have != k && !strings.HasPrefix(have, diff.declared) || have != k && diff.declared == "":
			t.Errorf("%s is declared %q, in Koji it is %q", m.Name, have, k)
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s is not here", name)
		}
	}
	for name, d := range otherwise {
		if !seen[name] || d.reason == "" {
			t.Errorf("%s is listed as different; it is here: %v, the reason is %q", name, seen[name], d.reason)
		}
	}
}
