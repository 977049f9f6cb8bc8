package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// pump is a bare IMAP client: it writes commands and reads until they are
// answered. It prepares mailboxes, and it is the floor to compare with.
type pump struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	n    int
}

// newPump connects and logs in.
func newPump(tb testing.TB, addr, user string) *pump {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	p := &pump{conn: conn, r: bufio.NewReaderSize(conn, 256<<10), w: bufio.NewWriterSize(conn, 64<<10)}
	if _, err := p.r.ReadSlice('\n'); err != nil {
		tb.Fatal(err)
	}
	p.do(tb, fmt.Sprintf("LOGIN %s %s", user, strconv.Quote(testkit.Password)))
	return p
}

func (p *pump) close() { _ = p.conn.Close() }

// do sends commands at once and waits until the last of them is done.
func (p *pump) do(tb testing.TB, cmds ...string) (bytesRead int64) {
	tb.Helper()
	for _, c := range cmds {
		p.n++
		fmt.Fprintf(p.w, "%d %s\r\n", p.n, c)
	}
	return p.await(tb, strings.Join(cmds, "; "))
}

// await reads until the last command is done.
func (p *pump) await(tb testing.TB, what string) (bytesRead int64) {
	tb.Helper()
	if err := p.w.Flush(); err != nil {
		tb.Fatal(err)
	}
	last := strconv.AppendInt(nil, int64(p.n), 10)
	for {
		line, err := p.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			tb.Fatalf("%.200s: %v", what, err)
		}
		bytesRead += int64(len(line))
		if n, ok := literalAtEnd(line); ok {
			if _, err := io.CopyN(io.Discard, p.r, n); err != nil {
				tb.Fatalf("%.200s: %v", what, err)
			}
			bytesRead += n
			continue
		}
		if line[0] == '*' || line[0] == '+' || line[0] == ')' || line[0] == ' ' {
			continue
		}
		tag, rest, _ := bytes.Cut(line, []byte(" "))
		if _, err := strconv.Atoi(string(tag)); err != nil {
			continue
		}
		if !bytes.HasPrefix(rest, []byte("OK")) {
			tb.Fatalf("%.200s: %s", what, rest)
		}
		if bytes.Equal(tag, last) {
			return bytesRead
		}
	}
}

// literalAtEnd returns the size of the literal that a line announces.
func literalAtEnd(line []byte) (int64, bool) {
	line = bytes.TrimRight(line, "\r\n")
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(line[i+1:len(line)-1]), 10, 64)
	return n, err == nil
}

// appendAll stores messages, many with one command.
func (p *pump) appendAll(tb testing.TB, box string, first, n int, size func(i int) int) {
	tb.Helper()
	const batch = 500
	for from := first; from < first+n; from += batch {
		p.n++
		writeAppend(p.w, p.n, box, from, min(from+batch, first+n), size) // an error stays until Flush
		p.await(tb, "APPEND")
	}
}

// writeAppend writes the command that stores messages from..to-1.
func writeAppend(w io.Writer, tag int, box string, from, to int, size func(i int) int) {
	fmt.Fprintf(w, "%d APPEND %q", tag, box)
	for i := from; i < to; i++ {
		m := message(i, size(i))
		flags := ""
		if i%3 != 0 {
			flags = `\Seen`
		}
		fmt.Fprintf(w, " (%s) %q {%d+}\r\n", flags, "01-Jan-2024 10:00:00 +0000", len(m))
		_, _ = w.Write(m)
	}
	fmt.Fprint(w, "\r\n")
}

// count sends a SEARCH that returns a number only.
func (p *pump) count(tb testing.TB, cmd string) int {
	tb.Helper()
	p.n++
	fmt.Fprintf(p.w, "%d %s\r\n", p.n, cmd)
	if err := p.w.Flush(); err != nil {
		tb.Fatal(err)
	}
	n := -1
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			tb.Fatalf("%s: %v", cmd, err)
		}
		if _, num, ok := strings.Cut(line, " COUNT "); ok && strings.HasPrefix(line, "* ESEARCH") {
			if n, err = strconv.Atoi(strings.TrimSpace(num)); err != nil {
				tb.Fatalf("%s: %q", cmd, line)
			}
		}
		if strings.HasPrefix(line, strconv.Itoa(p.n)+" ") {
			if n < 0 {
				tb.Fatalf("%s: %s", cmd, line)
			}
			return n
		}
	}
}
