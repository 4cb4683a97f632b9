# SPDX-License-Identifier: GPL-2.0-or-later
# An etcd member, for the scenarios that have "# lab: etcd" in them: a machine of the underlay's, at 192.0.2.254, that all hosts reach and none is.
# Debian's service is not used. Its data is on the lab's tmpfs and lasts from one etcd_start to the next.

etcd_endpoints() { echo "http://192.0.2.254:2379"; }

# etcd_start: returns when it serves. etcd_stop [SIGNAL]: returns when it is gone; data stays.
etcd_start() {
  command -v etcd > /dev/null || die "etcd is not here: run tests/setup"
  on underlay bash -c 'echo $$ > "$1/etcd.pid"; exec etcd --name lab --data-dir "$1/etcd" --listen-client-urls "$2" --advertise-client-urls "$2" \
    --listen-peer-urls http://127.0.0.1:2380 --logger zap --log-outputs "$1/etcd.log"' - "$LAB_RUN" "$(etcd_endpoints)" > "$LAB_RUN/etcd.out" 2>&1 < /dev/null &
  wait_for 60 etcd_ctl endpoint health || die "etcd does not start: $(tail -3 "$LAB_RUN/etcd.out" "$LAB_RUN/etcd.log")"
}
etcd_stop() {
  local pid
  pid=$(< "$LAB_RUN/etcd.pid")
  kill "-${1:-KILL}" "$pid"
  wait_for 20 not kill -0 "$pid" || die "etcd does not end"
  rm "$LAB_RUN/etcd.pid"
}

# etcd_end: for resets
etcd_end() {
  [ ! -e "$LAB_RUN/etcd.pid" ] || etcd_stop
  rm -rf "$LAB_RUN/etcd" "$LAB_RUN"/etcd.*
}

# etcd_ctl ARG...: as the administrator; etcd_as H ARG...: with H's credential
etcd_ctl() {
  local user=()
  [ ! -e "$LAB_RUN/etcd.users" ] || user=(--user root:root)
  ETCDCTL_API=3 on underlay etcdctl --endpoints "$(etcd_endpoints)" "${user[@]}" "$@"
}
etcd_as() { ETCDCTL_API=3 on underlay etcdctl --endpoints "$(etcd_endpoints)" --user "$1:secret of $1" "${@:2}"; }

# etcd_users H...: from now on etcd asks for users, and each of these hosts has a role as docs/etcd.md gives it. The daemons have to be told:
# relay_again.
etcd_users() {
  local h
  {
    etcd_ctl user add root:root && etcd_ctl user grant-role root root
    for h in "$@"; do
      etcd_ctl user add "$h:secret of $h" && etcd_ctl role add "$h" && etcd_ctl user grant-role "$h" "$h" &&
        etcd_ctl role grant-permission --prefix "$h" read /virt-relay/ &&
        etcd_ctl role grant-permission --prefix "$h" readwrite "/virt-relay/now/$h/" &&
        etcd_ctl role grant-permission --prefix "$h" readwrite "/virt-relay/history/$h/" || return
    done
    etcd_ctl auth enable
  } > "$LAB_RUN/etcd.out" 2>&1 || return
  touch "$LAB_RUN/etcd.users"
}

# etcd_credential H: its lines of the configuration
etcd_credential() {
  local file
  file=$(root_of "$1")/etc/virt-relay.etcd
  (umask 077 && echo "secret of $1" > "$file")
  printf 'user = %s\npassword-file = /etc/virt-relay.etcd\n' "$1"
}

# waiting H TEXT: is it in a record that waits on H's disk? in_etcd H TEXT: is it in what H wrote last about a guest?
waiting() { grep -q -- "$2" "$(root_of "$1")/var/lib/virt-relay/etcd/waiting"; }
in_etcd() { [[ "$(etcd_ctl get --prefix --print-value-only "/virt-relay/now/$1/guest/")" == *"$2"* ]]; }
