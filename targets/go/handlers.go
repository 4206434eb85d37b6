package main

import (
	"strings"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

type handler = func(args []any, reply func(...any))

// The events of the fixture. A reply to an event that wants none goes nowhere.
func handlers(s *socket.Socket, label string, parent socket.Namespace) map[string]handler {
	first := func(args []any) any {
		if len(args) == 0 {
			return nil
		}
		return args[0]
	}
	options := func(args []any) object {
		o, _ := first(args).(object)
		return o
	}
	nsp := s.Nsp().Name()
	on := map[string]handler{
		"message":          func(args []any, _ func(...any)) { s.Emit("message-back", args...) },
		"message-with-ack": func(args []any, reply func(...any)) { reply(args...) },
		"whoami": func(_ []any, reply func(...any)) {
			reply(object{"sid": s.Id(), "nsp": nsp, "handler": label, "node": "A", "auth": auth(s), "recovered": s.Recovered(),
				"transport": s.Conn().Transport().Name(), "rooms": rooms(s)})
		},
		"join": func(args []any, reply func(...any)) {
			s.Join(list(first(args))...)
			reply(rooms(s))
		},
		"leave": func(args []any, reply func(...any)) {
			for _, room := range list(first(args)) {
				s.Leave(room)
			}
			reply(rooms(s))
		},
		"emit":   func(args []any, reply func(...any)) { emit(s, parent, options(args), reply) },
		"select": func(args []any, reply func(...any)) { choose(s, options(args), reply) },
		"mark": func(args []any, reply func(...any)) {
			note("mark", nsp, object{"sid": s.Id(), "x": first(args)})
			reply()
		},
		"data": func(args []any, reply func(...any)) {
			if len(args) > 0 {
				s.SetData(args[0])
			}
			reply(s.Data())
		},
		"acks": func(args []any, reply func(...any)) {
			n, _ := first(args).(float64)
			for i := 0; i < int(n); i++ {
				reply(i)
			}
		},
		"bye": func(args []any, _ func(...any)) {
			o := options(args)
			burst, _ := o["burst"].(float64)
			for i := 0; i < int(burst); i++ {
				s.Emit("n", i, strings.Repeat("x", 50_000))
			}
			s.Disconnect(o["close"] == true)
		},
		"journal": func(args []any, reply func(...any)) {
			since, _ := first(args).(float64)
			lock.Lock()
			found := []any{}
			for _, entry := range journal {
				if entry["seq"].(int) > int(since) {
					found = append(found, entry)
				}
			}
			lock.Unlock()
			reply(found)
		},
		"adapter": func(_ []any, reply func(...any)) { reply(object{"error": "unsupported: adapter"}) },
	}
	on["later"] = func(args []any, _ func(...any)) {
		wait, _ := args[0].(float64)
		event, _ := args[1].(string)
		time.AfterFunc(time.Duration(wait)*time.Millisecond, func() { on[event](args[2:], func(...any) {}) })
	}
	return on
}

func auth(s *socket.Socket) object {
	if auth := s.Handshake().Auth; auth != nil {
		return auth
	}
	return object{}
}
