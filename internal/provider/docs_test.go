package provider

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// docs/providers.md has the values of the table.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range All() {
		i := strings.Index(string(page), "| `"+p.Name+"` |")
		if i < 0 {
			t.Errorf("%s is not on the page", p.Name)
			continue
		}
		row, _, _ := strings.Cut(string(page)[i:], "\n")
		want := []string{"`" + p.Host + ":" + strconv.Itoa(p.Port) + "`", "(" + p.Source + ")"}
		if p.TLS == STARTTLS {
			want = append(want, "STARTTLS")
		}
		switch {
		case p.Secret == TokenOnly:
			want = append(want, "only OAuth")
		case p.Secret == AppPassword && !p.OwnCertificate:
			want = append(want, "app password")
		}
		for _, w := range want {
			if !strings.Contains(row, w) {
				t.Errorf("the row of %s lacks %s: %s", p.Name, w, row)
			}
		}
	}
}
