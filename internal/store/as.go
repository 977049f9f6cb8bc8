package store

// Wrapper is implemented by stores and mailboxes that pass calls on to another
// one, to count or to show them. The value that is wrapped may implement more
// interfaces of this package than the wrapper.
type Wrapper interface {
	// Unwrap returns the store or mailbox that calls are passed on to.
	Unwrap() any
}

// As returns v, a store or a mailbox, as a T. If v is no T, but a Wrapper, the value
// that v wraps is tried, and so on. T is one of the optional interfaces of this
// package, such as Local or Trasher. A type assertion would not find an interface
// that a wrapper does not implement itself.
func As[T any](v any) (T, bool) {
	for {
		if t, ok := v.(T); ok {
			return t, true
		}
		w, ok := v.(Wrapper)
		if !ok {
			var none T
			return none, false
		}
		v = w.Unwrap()
	}
}
