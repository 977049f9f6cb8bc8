package engine_test

import "testing"

// The basic rules of synchronization, one case a sentence of docs/format.md
// and the manual.
var basicScenarios = []scenario{
	{
		name: "first pull creates the near box", rules: "sync create-near",
		far: "1:A 3:B:F 4:C:S", near: "!", state: "!",
		wantFar: "1:A 3:B:F 4:C:S", wantNear: "1:A 2:B:F 3:C:S", wantState: "pulled=4 pushed=3 1-1 3-2:F 4-3:S",
	},
	{
		name: "first push creates the far box", rules: "sync create-far",
		far: "!", near: "1:A:FS 2:B", state: "!",
		wantFar: "1:A:FS 2:B", wantNear: "1:A:FS 2:B", wantState: "pulled=2 pushed=2 1-1:FS 2-2",
	},
	{
		name: "both sides have new messages", rules: "sync",
		far: "1:A 2:B", near: "1:X 2:Y", state: "!",
		wantFar: "1:A 2:B 3:X 4:Y", wantNear: "1:X 2:Y 3:A 4:B", wantState: "pulled=4 pushed=4 3-1 4-2 1-3 2-4",
	},
	{
		name: "missing box and no Create", rules: "sync",
		far: "1:A", near: "!", state: "!", wantErr: "near side mailbox 'box' cannot be opened",
		wantFar: "1:A", wantNear: "!", wantState: "!",
	},
	{
		name: "neither box exists", rules: "sync create-near create-far",
		far: "!", near: "!", state: "!", wantErr: "neither far side mailbox",
		wantFar: "!", wantNear: "!", wantState: "!",
	},
	{
		name: "nothing to do", rules: "sync expunge-far expunge-near",
		far: "1:A:S 2:B", near: "1:A:S 2:B", state: "pulled=2 pushed=2 1-1:S 2-2",
		wantFar: "1:A:S 2:B", wantNear: "1:A:S 2:B", wantState: "pulled=2 pushed=2 1-1:S 2-2",
	},
	{
		name: "flags go both ways", rules: "sync",
		far: "1:A:S 2:B:F 3:C", near: "1:A 2:B:FR 3:C:PDF", state: "pulled=3 pushed=3 1-1 2-2:F 3-3:P",
		wantFar: "1:A:S 2:B:FR 3:C:DF", wantNear: "1:A:S 2:B:FR 3:C:DF", wantState: "pulled=3 pushed=3 1-1:S 2-2:FR 3-3:DF",
	},
	{
		name: "the same change on both sides", rules: "sync",
		far: "1:A:S", near: "1:A:S", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A:S", wantNear: "1:A:S", wantState: "pulled=1 pushed=1 1-1:S",
	},
	{
		name: "removed flags go too", rules: "sync",
		far: "1:A", near: "1:A:FS", state: "pulled=1 pushed=1 1-1:FS",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "pull only flags", rules: "pull-flags",
		far: "1:A:S 2:B", near: "1:A 2:B:F 3:N", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:S 2:B", wantNear: "1:A:S 2:B:F 3:N", wantState: "pulled=2 pushed=2 1-1:S 2-2",
	},
	{
		name: "deletion marks the counterpart", rules: "sync",
		far: "2:B", near: "1:A 2:B", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "2:B", wantNear: "1:A:T 2:B", wantState: "pulled=2 pushed=2 0-1 2-2",
	},
	{
		name: "deletion and expunge", rules: "sync expunge-near expunge-far",
		far: "2:B", near: "1:A:S 2:B", state: "pulled=2 pushed=2 1-1:S 2-2",
		wantFar: "2:B", wantNear: "2:B", wantState: "pulled=2 pushed=2 2-2",
	},
	{
		name: "deletions both ways with expunge", rules: "sync expunge-near expunge-far",
		far: "2:B 3:C:T", near: "1:A 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3",
		wantFar: "", wantNear: "", wantState: "pulled=3 pushed=3",
	},
	{
		name: "deletion is not propagated without Gone", rules: "pull-new push-new pull-flags push-flags",
		far: "2:B", near: "1:A 2:B", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "2:B", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "both sides gone", rules: "sync",
		far: "2:B next=9", near: "2:B", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "2:B", wantNear: "2:B", wantState: "pulled=2 pushed=2 2-2",
	},
	{
		name: "changed on one side, deleted on the other", rules: "sync expunge-near expunge-far",
		far: "", near: "1:A:F", state: "pulled=1 pushed=1 1-1",
		wantFar: "", wantNear: "", wantState: "pulled=1 pushed=1",
	},
	{
		name: "an orphan is left alone", rules: "sync",
		far: "2:B", near: "1:A:T 2:B", state: "pulled=2 pushed=2 0-1 2-2",
		wantFar: "2:B", wantNear: "1:A:T 2:B", wantState: "pulled=2 pushed=2 0-1 2-2",
	},
	{
		name: "messages marked deleted are not copied when expunging", rules: "sync expunge-near expunge-far",
		far: "1:A:T 2:B", near: "", state: "!",
		wantFar: "2:B", wantNear: "1:B", wantState: "pulled=2 pushed=1 2-1",
	},
	{
		name: "messages marked deleted are copied when not expunging", rules: "sync",
		far: "1:A:T 2:B", near: "", state: "!",
		wantFar: "1:A:T 2:B", wantNear: "1:A:T 2:B", wantState: "pulled=2 pushed=2 1-1:T 2-2",
	},
	{
		name: "expunge near only, marked far", rules: "sync expunge-near",
		far: "1:A:T", near: "1:A", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A:T", wantNear: "", wantState: "pulled=1 pushed=1 1-0:T",
	},
	{
		name: "only new messages", rules: "pull-new",
		far: "1:A:S 2:B 3:C", near: "1:A 3:Y", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:S 2:B 3:C", wantNear: "1:A 3:Y 4:C", wantState: "pulled=3 pushed=2 1-1 2-2 3-4",
	},
	{
		name: "old messages need Old", rules: "pull-old",
		far: "1:A 2:B 3:C", near: "2:B", state: "pulled=2 pushed=2 2-2",
		wantFar: "1:A 2:B 3:C", wantNear: "2:B 3:A", wantState: "pulled=2 pushed=3 2-2 1-3",
	},
	{
		name: "old and new in order of UIDs", rules: "pull-old pull-new",
		far: "1:A 2:B 3:C", near: "2:B", state: "pulled=2 pushed=2 2-2",
		wantFar: "1:A 2:B 3:C", wantNear: "2:B 3:A 4:C", wantState: "pulled=3 pushed=4 2-2 1-3 3-4",
	},
	{
		name: "watermarks that were lost are found again", rules: "sync",
		far: "1:A 2:B", near: "1:A 2:B", state: "pulled=0 pushed=0 1-1 2-2",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "no operation at all", rules: "",
		far: "1:A:S 3:C", near: "1:A 2:B:T 4:D", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:S 3:C", wantNear: "1:A 2:B:T 4:D", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "push only", rules: "push-all expunge-far",
		far: "1:A:S 2:B 9:N", near: "1:A:F 5:P", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:FS 9:N 10:P", wantNear: "1:A:F 5:P", wantState: "pulled=2 pushed=5 1-1:F 10-5",
	},
	{
		name: "flags that the other side cannot hold stay", rules: "sync",
		far: "perm=DFRST 1:A 2:B", near: "1:A:PS 2:B 3:C:PR", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:S 2:B 3:C:R", wantNear: "1:A:PS 2:B 3:C:PR", wantState: "pulled=3 pushed=3 1-1:S 2-2 3-3:R",
	},
	{
		name: "deletion marks what is marked already", rules: "sync",
		far: "", near: "1:A:T", state: "pulled=1 pushed=1 1-1:T",
		wantFar: "", wantNear: "1:A:T", wantState: "pulled=1 pushed=1 0-1:T",
	},
	{
		name: "a mark and other changes, then expunged", rules: "sync expunge-far",
		far: "1:A", near: "1:A:FRT", state: "pulled=1 pushed=1 1-1",
		wantFar: "", wantNear: "1:A:FRT", wantState: "pulled=1 pushed=1 0-1:T",
	},
	{
		name: "undeleted", rules: "sync",
		far: "1:A", near: "1:A:T", state: "pulled=1 pushed=1 1-1:T",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "a message that could not be stored is left alone", rules: "sync",
		far: "1:A 2:B", near: "1:A", state: "pulled=2 pushed=1 1-1 2-0",
		wantFar: "1:A 2:B", wantNear: "1:A", wantState: "pulled=2 pushed=1 1-1 2-0",
	},
	{
		name: "new messages without their flags changing others", rules: "pull-new push-new",
		far: "1:A:S 2:B:F", near: "1:A 7:C:R", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A:S 2:B:F 3:C:R", wantNear: "1:A 7:C:R 8:B:F", wantState: "pulled=3 pushed=8 1-1 3-7:R 2-8:F",
	},
	{
		name: "gone only", rules: "pull-gone push-gone",
		far: "1:A:S 9:N", near: "2:B:F 9:M", state: "pulled=2 pushed=2 1-1 2-2",
		wantFar: "1:A:ST 9:N", wantNear: "2:B:FT 9:M", wantState: "pulled=2 pushed=2 1-0 0-2",
	},
	{
		name: "a new message below a copy of ours stays new", rules: "push-gone",
		far: "1:M 2:A:S", near: "1:A:S", state: "pulled=0 pushed=1 2-1:S",
		wantFar: "1:M 2:A:S", wantNear: "1:A:S", wantState: "pulled=0 pushed=1 2-1:S",
	},
	{
		name: "watermarks that were lost are found again behind a gap", rules: "pull-gone push-flags",
		far: "5:A 7:B 9:M", near: "3:A 4:B", state: "pulled=0 pushed=1 5-3 7-4",
		wantFar: "5:A 7:B 9:M", wantNear: "3:A 4:B", wantState: "pulled=7 pushed=4 5-3 7-4",
	},
	{
		name: "many new messages both ways", rules: "sync expunge-far expunge-near",
		far: "5:A 6:B:S 7:C:T 8:D 9:E:F", near: "11:P 12:Q:S 13:R 14:U", state: "!",
		wantFar: "5:A 6:B:S 8:D 9:E:F 10:P 11:Q:S 12:R 13:U", wantNear: "11:P 12:Q:S 13:R 14:U 15:A 16:B:S 17:D 18:E:F",
		wantState: "pulled=13 pushed=18 10-11 11-12:S 12-13 13-14 5-15 6-16:S 8-17 9-18:F",
	},
}

func TestRules(t *testing.T) {
	runAll(t, basicScenarios)
}
