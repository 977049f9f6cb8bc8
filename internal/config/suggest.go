package config

import "strings"

// maxSuggest is the maximum length in bytes of a word with suggestions. All known words are
// shorter, and the cost is quadratic in the length.
const maxSuggest = 64

// nearest returns the most similar candidate; "": none is similar enough.
func nearest(word string, candidates []string) string {
	// One error per three letters is a typing error.
	return Nearest(word, candidates, max(1, len(word)/3))
}

// Nearest returns the candidate that differs from word by the fewest typing errors, ignoring
// case; "": each has more than most. A typing error is an additional, missing or wrong byte, or
// two swapped neighbours. The first one of equal candidates wins.
func Nearest(word string, candidates []string, most int) (best string) {
	if word == "" || len(word) > maxSuggest {
		return ""
	}
	w := strings.ToLower(word)
	for _, c := range candidates {
		if len(c) > maxSuggest || len(c)-len(w) > most || len(w)-len(c) > most {
			continue
		}
		if d := editDistance(w, strings.ToLower(c)); d <= most {
			best, most = c, d-1
		}
	}
	return best
}

// editDistance returns the number of insertions, deletions, replacements and swaps of neighbours
// that change a to b (optimal string alignment), in bytes.
func editDistance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
