package event

// ServerAlert: the server sent an alert, which the user must see (RFC 9051 §7.1).
type ServerAlert struct {
	Text string
}

// Code implements Fact.
func (ServerAlert) Code() Code { return "server-alert" }

// ServerMessage: the server sent a warning.
type ServerMessage struct {
	Text string
}

// Code implements Fact.
func (ServerMessage) Code() Code { return "server-message" }

// MoreServerMessages: the server sent more than Most alerts and messages.
type MoreServerMessages struct {
	Most int
}

// Code implements Fact.
func (MoreServerMessages) Code() Code { return "more-server-messages" }

// MechanismsUnsupported: AuthMechs contains mechanisms that mbsync does not support, so
// another one is used.
type MechanismsUnsupported struct {
	Names string
	Using string
}

// Code implements Fact.
func (MechanismsUnsupported) Code() Code { return "mechanisms-unsupported" }

// PasswordInClear: the password or token is sent unencrypted.
type PasswordInClear struct {
	Token bool
	// Also holds the mechanisms that are not supported, if there are any.
	Also MechanismsUnsupported
}

// Code implements Fact.
func (PasswordInClear) Code() Code { return "password-in-clear" }
