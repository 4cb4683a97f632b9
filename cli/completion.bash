# SPDX-License-Identifier: GPL-2.0-or-later
# Bash completion for virt-relay. What is named is asked of virt-relayd: where it does not answer, nothing is offered.

_virt_relay_names() { # guests|hosts: those that begin with the present word, whatever characters they hold
  local name
  while IFS= read -r name; do
    [[ $name != "$cur"* ]] || COMPREPLY+=("$(printf %q "$name")")
  done < <(virt-relay "$1" --names 2> /dev/null)
}

_virt_relay() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]:-} options='--help --json'
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'status guests hosts log migrations explain doctor flush --help --version' -- "$cur")
    return
  fi
  case $command in
    log) options+=' --newest --follow --refused' ;;
    migrations) options+=' --newest --html' ;;
    guests | hosts) options+=' --names' ;;
    explain) options+=' --from' ;;
    doctor) options+=' --before' ;;
    flush) options+=' --yes' ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    return
  fi
  case $command:$previous in
    explain:--from | explain:-f) _virt_relay_names hosts ;;
    log:--newest | log:-n) ;;
    log:export | log:import) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    log:log)
      _virt_relay_names guests
      mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W 'export import' -- "$cur")
      ;;
    migrations:--html) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    migrations:--newest | migrations:-n) ;;
    log:* | migrations:* | explain:* | doctor:--before | doctor:-b) _virt_relay_names guests ;;
    doctor:*) [[ ${COMP_WORDS[COMP_CWORD - 2]} != --before && ${COMP_WORDS[COMP_CWORD - 2]} != -b ]] || _virt_relay_names hosts ;;
  esac
}
complete -F _virt_relay virt-relay
