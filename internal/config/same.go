package config

import "reflect"

// sameMeaning reports whether two configurations are equal except for positions.
func sameMeaning(a, b *Config) bool { return sameValue(reflect.ValueOf(a), reflect.ValueOf(b)) }

// sameValue compares values of the same type. A Config has no cycles.
func sameValue(a, b reflect.Value) bool {
	switch a.Type() {
	case reflect.TypeFor[Pos](), reflect.TypeFor[Given]():
		return true
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameValue(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	default: // a Config has no interfaces, functions or maps
		return a.Equal(b)
	}
}
