# SPDX-License-Identifier: GPL-2.0-or-later
# An etcd cluster, for the scenarios that have "# lab: etcd" in them. LAB_ETCD names its members: hosts, each with a member at its address in the
# underlay ("# lab: etcd h1 h2 h3"), or, without names, "underlay": a machine at 192.0.2.254 that all hosts reach and none is.
# Debian's service is not used. A member's data is on the lab's tmpfs and lasts from one etcd_start to the next.

# etcd_url MEMBER PORT; etcd_endpoints: all members, as [log] endpoints
etcd_url() { if [ "$1" = underlay ]; then echo "http://192.0.2.254:$2"; else echo "http://$(addr "$1"):$2"; fi; }
etcd_endpoints() {
  local m
  for m in $LAB_ETCD; do etcd_url "$m" 2379; done | paste -sd ' '
}

# etcd_start [MEMBER...], of all without names: returns when they serve, for which most members have to run.
# etcd_stop [MEMBER...]: SIGKILL to the member and nothing else on its host; returns when it is gone. Its data stays.
etcd_start() {
  local m
  command -v etcd > /dev/null || die "etcd is not here: run tests/setup"
  mkdir -p "$LAB_RUN/etcd"
  for m in ${*:-$LAB_ETCD}; do etcd_run "$m" > "$LAB_RUN/etcd/$m.out" 2>&1 < /dev/null & done
  for m in ${*:-$LAB_ETCD}; do
    wait_for 60 etcd_serves "$m" || die "etcd at $m does not start: $(tail -3 "$LAB_RUN/etcd/$m".{out,log})"
  done
}
etcd_stop() {
  local m pid
  for m in ${*:-$LAB_ETCD}; do
    pid=$(< "$LAB_RUN/etcd/$m.pid")
    on "$m" kill -KILL "$pid"
    wait_for 20 not on "$m" kill -0 "$pid" || die "etcd at $m does not end"
    rm "$LAB_RUN/etcd/$m.pid"
  done
}
etcd_run() {
  local m cluster
  cluster=$(for m in $LAB_ETCD; do echo "$m=$(etcd_url "$m" 2380)"; done | paste -sd ,)
  on "$1" bash -c 'echo $$ > "$1.pid"; exec etcd --name "$2" --data-dir "$1" --listen-client-urls "$3" --advertise-client-urls "$3" \
    --listen-peer-urls "$4" --initial-advertise-peer-urls "$4" --initial-cluster "$5" --logger zap --log-outputs "$1.log"' \
    - "$LAB_RUN/etcd/$1" "$1" "$(etcd_url "$1" 2379)" "$(etcd_url "$1" 2380)" "$cluster"
}
etcd_serves() { etcd_ask "$(etcd_url "$1" 2379)" endpoint health; }

# etcd_end: for resets
etcd_end() {
  local pid
  for pid in "$LAB_RUN"/etcd/*.pid; do
    [ ! -e "$pid" ] || etcd_stop "$(basename "$pid" .pid)"
  done
  rm -rf "$LAB_RUN/etcd"
}

# etcd_ctl ARG...: etcdctl as the administrator, at the members that run; etcd_as H ARG...: with H's credential
etcd_ctl() { etcd_ask "$(etcd_running)" "$@"; }
etcd_as() { ETCDCTL_API=3 on underlay etcdctl --endpoints "$(etcd_running)" --user "$1:secret of $1" "${@:2}"; }
etcd_ask() { # ENDPOINTS ARG...
  local user=()
  ! etcd_has_users || user=(--user root:root)
  ETCDCTL_API=3 on underlay etcdctl --endpoints "$1" "${user[@]}" "${@:2}"
}
etcd_running() {
  local m
  for m in $LAB_ETCD; do
    [ ! -e "$LAB_RUN/etcd/$m.pid" ] || etcd_url "$m" 2379
  done | paste -sd ,
}

# etcd_leader: the member that leads; nothing if none does. etcd_lead MEMBER: from now on it is this one
etcd_leader() {
  local m leader
  leader=$(etcd_ctl endpoint status | awk -F ', ' '$5 == "true" {print $1}')
  for m in $LAB_ETCD; do
    [ "$leader" != "$(etcd_url "$m" 2379)" ] || echo "$m"
  done
}
etcd_lead() {
  local id
  id=$(etcd_ctl member list | awk -F ', ' -v m="$1" '$3 == m {print $1}')
  etcd_ctl move-leader "$id" > "$LAB_RUN/etcd/lead.out" 2>&1
}

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
  } > "$LAB_RUN/etcd/users.out" 2>&1 || return
  touch "$LAB_RUN/etcd/users"
}
etcd_has_users() { [ -e "$LAB_RUN/etcd/users" ]; }

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
