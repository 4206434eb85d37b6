// The fixture on zishang520's socket.io for Go. The contract is described in `reference-server/src/fixture`.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

type object = map[string]any

var (
	journal []object
	seq     int
	lock    sync.Mutex
	io      *socket.Server
)

func note(kind string, nsp string, fields object) {
	if os.Getenv("SIO_JOURNAL") == "0" {
		return
	}
	lock.Lock()
	defer lock.Unlock()
	seq++
	entry := object{"seq": seq, "kind": kind, "nsp": nsp}
	for key, value := range fields {
		entry[key] = value
	}
	journal = append(journal, entry)
	if len(journal) > 10_000 {
		journal = journal[1:]
	}
}

func millis(name string, fallback int) time.Duration {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		fallback = value
	}
	return time.Duration(fallback) * time.Millisecond
}

func rooms(s *socket.Socket) []string {
	names := []string{}
	for _, room := range s.Rooms().Keys() {
		names = append(names, string(room))
	}
	sort.Strings(names)
	return names
}

func list(value any) (names []socket.Room) {
	switch value := value.(type) {
	case string:
		names = append(names, socket.Room(value))
	case []any:
		for _, name := range value {
			names = append(names, socket.Room(fmt.Sprint(name)))
		}
	}
	return
}

func narrowed(those *socket.BroadcastOperator, o object, to string) *socket.BroadcastOperator {
	those = those.To(list(o[to])...).Except(list(o["except"])...)
	if compress, found := o["compress"].(bool); found {
		those = those.Compress(compress)
	}
	if o["volatile"] == true {
		those = those.Volatile()
	}
	return those
}

func emit(s *socket.Socket, parent socket.Namespace, o object, reply func(...any)) {
	event, _ := o["event"].(string)
	args, _ := o["args"].([]any)
	nsp := s.Nsp()
	if name, found := o["nsp"].(string); found {
		nsp = io.Of(name, nil)
	}
	if o["via"] == "parent" {
		nsp = parent
	}
	if nsp == nil {
		reply(object{"error": "unsupported: parent"})
		return
	}
	from := nsp.To()
	if o["via"] == "socket" {
		from = s.Broadcast()
	}
	times := 1
	if repeat, found := o["repeat"].(float64); found {
		times = int(repeat)
	}
	if wait, found := o["timeout"].(float64); found {
		timeout := time.Duration(wait) * time.Millisecond
		answered := func(acks []any, err error) {
			var answer object
			switch {
			case o["via"] != "self":
				answer = object{"acks": append([]any{}, acks...)}
			case len(acks) > 0:
				answer = object{"acks": acks[0]}
			default:
				answer = object{"acks": nil}
			}
			if err != nil {
				answer["error"] = "timeout"
			}
			reply(answer)
		}
		if o["via"] == "self" {
			s.Timeout(timeout).EmitWithAck(event, args...)(answered)
		} else {
			narrowed(from, o, "to").Timeout(timeout).EmitWithAck(event, args...)(answered)
		}
		return
	}
	for index := 0; index < times; index++ {
		all := args
		if o["repeat"] != nil {
			all = append([]any{index}, args...)
		}
		var err error
		if o["via"] == "self" {
			if o["volatile"] == true {
				s.Volatile()
			}
			if compress, found := o["compress"].(bool); found {
				s.Compress(compress)
			}
			err = s.Emit(event, all...)
		} else {
			err = narrowed(from, o, "to").Emit(event, all...)
		}
		if err != nil {
			reply(object{"error": err.Error()})
			return
		}
	}
	reply(object{})
}

func choose(s *socket.Socket, o object, reply func(...any)) {
	those := narrowed(s.Nsp().To(), o, "in")
	switch o["op"] {
	case "fetch":
		those.FetchSockets()(func(found []*socket.RemoteSocket, err error) {
			answer := []any{}
			for _, one := range found {
				names := []string{}
				for _, room := range one.Rooms().Keys() {
					names = append(names, string(room))
				}
				sort.Strings(names)
				answer = append(answer, object{"id": one.Id(), "rooms": names, "data": one.Data()})
			}
			reply(answer)
		})
		return
	case "join":
		those.SocketsJoin(list(o["rooms"])...)
	case "leave":
		those.SocketsLeave(list(o["rooms"])...)
	case "disconnect":
		those.DisconnectSockets(o["close"] == true)
	default:
		reply(object{"error": "unsupported"})
		return
	}
	reply(object{})
}

func install(nsp socket.Namespace, label string, parent socket.Namespace) {
	nsp.On("connection", func(clients ...any) {
		s := clients[0].(*socket.Socket)
		here := s.Nsp().Name()
		note("connect", here, object{"sid": s.Id(), "handler": label})
		// A session that was recovered has its data already.
		data, _ := s.Data().(object)
		if data == nil {
			data = object{}
		}
		data["node"] = "A"
		s.SetData(data)
		s.Use(func(event []any, next func(error)) {
			if name, found := event[0].(string); found && strings.HasPrefix(name, "blocked") {
				next(fmt.Errorf("blocked"))
				return
			} else if name == "wrap" {
				event[0] = "message"
			}
			next(nil)
		})
		s.On("error", func(args ...any) { note("error", here, object{"sid": s.Id(), "message": fmt.Sprint(args[0])}) })
		for _, kind := range []string{"disconnecting", "disconnect"} {
			s.On(kind, func(args ...any) {
				note(kind, here, object{"sid": s.Id(), "reason": args[0], "rooms": rooms(s)})
			})
		}
		for name, run := range handlers(s, label, parent) {
			s.On(name, func(args ...any) {
				reply := func(...any) {}
				if len(args) > 0 {
					if ack, found := args[len(args)-1].(socket.Ack); found {
						args = args[:len(args)-1]
						reply = func(answer ...any) { ack(append([]any{}, answer...), nil) }
					}
				}
				run(args, reply)
			})
		}
		s.Emit("auth", auth(s))
	})
}

func main() {
	options := socket.DefaultServerOptions()
	options.SetPingInterval(millis("SIO_PING_INTERVAL", 25_000))
	options.SetPingTimeout(millis("SIO_PING_TIMEOUT", 20_000))
	options.SetConnectTimeout(millis("SIO_CONNECT_TIMEOUT", 45_000))
	options.SetUpgradeTimeout(millis("SIO_UPGRADE_TIMEOUT", 10_000))
	options.SetMaxHttpBufferSize(int64(millis("SIO_MAX_PAYLOAD", 1_000_000) / time.Millisecond))
	options.SetAllowEIO3(os.Getenv("SIO_EIO3") == "1")
	options.SetCleanupEmptyChildNamespaces(os.Getenv("SIO_CLEANUP") == "1")
	if origin := os.Getenv("SIO_CORS"); origin != "" {
		options.SetCors(&types.Cors{Origin: origin, Credentials: os.Getenv("SIO_CORS_CREDENTIALS") == "1"})
	}
	if name := os.Getenv("SIO_COOKIE"); name != "" {
		options.SetCookie(&http.Cookie{Name: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	if deny := os.Getenv("SIO_DENY"); deny != "" {
		options.SetAllowRequest(func(request *types.HttpContext) error {
			if strings.Contains(request.Request().URL.String(), deny) {
				return fmt.Errorf("the application said no")
			}
			return nil
		})
	}
	if recovery := os.Getenv("SIO_RECOVERY"); recovery != "" {
		state := socket.DefaultConnectionStateRecovery()
		state.SetMaxDisconnectionDuration(int64(millis("SIO_RECOVERY", 0) / time.Millisecond))
		options.SetConnectionStateRecovery(state)
	}
	io = socket.NewServer(nil, options)
	io.On("new_namespace", func(args ...any) { note("namespace", args[0].(socket.Namespace).Name(), nil) })

	for _, name := range []string{"/", "/custom", "/dynamic-101"} {
		install(io.Of(name, nil), "static", nil)
	}
	io.Of("/deny", nil).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
		next(socket.NewExtendedError("denied", object{"code": "E_DENIED"}))
	})
	refuse := func(wait time.Duration) socket.NamespaceMiddleware {
		return func(s *socket.Socket, next func(*socket.ExtendedError)) {
			decide := func() {
				if auth(s)["refuse"] == true {
					next(socket.NewExtendedError("refused", nil))
				} else {
					next(nil)
				}
			}
			if wait == 0 {
				decide()
			} else {
				time.AfterFunc(wait, decide)
			}
		}
	}
	slow := io.Of("/slow", nil)
	install(slow, "static", nil)
	slow.Use(refuse(300 * time.Millisecond))
	chain := io.Of("/chain", nil)
	install(chain, "static", nil)
	for _, n := range []int{1, 2, 3} {
		chain.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			note("mw", "/chain", object{"n": n})
			s.Join("mw-room")
			if auth(s)["fail"] == float64(n) {
				next(socket.NewExtendedError(fmt.Sprintf("fail-%d", n), nil))
				return
			}
			next(nil)
		})
	}
	adopt := func(match any, label string) {
		parent := io.Of(match, nil)
		parent.Use(refuse(0))
		install(parent, label, parent)
	}
	adopt(regexp.MustCompile(`^/dynamic-\d+$`), "dynamic")
	adopt(regexp.MustCompile(`^/dynamic-2\d+$`), "dynamic2")
	match := func(name string, auth map[string]any, next func(error, bool)) {
		next(nil, strings.HasPrefix(name, "/fn-") && auth["token"] == "ok")
	}
	adopt(socket.ParentNspNameMatchFn(&match), "fn")

	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	http.Handle("/socket.io/", io.ServeHandler(nil))
	fmt.Println("LISTENING", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, nil)
}
