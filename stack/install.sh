#!/bin/sh
# Install what the local stack needs and this machine lacks: install.sh python|services|java|docs
# As root, or with sudo that asks no password; otherwise say in one line what to install.
set -eu

find_python() {
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

missing_services() {
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || echo rabbitmq-server
}

missing_for_docs() {
  for package in libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-liberation; do
    dpkg -s "$package" >/dev/null 2>&1 || echo "$package"
  done
}

# Packages must not start services of the system's own, nor a database cluster: these would take
# the usual ports, and nobody asked for them. This is how Debian says so (policy-rc.d, createcluster.d).
install_script='
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap "rm -f $policy" EXIT
  printf "#!/bin/sh\nexit 101\n" >"$policy"
  chmod +x "$policy"
fi
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/event-warehouse.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@" >/dev/null
case " $* " in *" rabbitmq-server "*)
  if [ -d /run/systemd/system ]; then systemctl disable --quiet rabbitmq-server; fi ;;
esac
'

install() {
  if ! command -v apt-get >/dev/null; then
    echo "error: please install $*, then try again" >&2
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    echo "installing $*" >&2
    sh -c "$install_script" sh "$@" >&2
  elif sudo -n true 2>/dev/null; then
    echo "installing $*" >&2
    sudo sh -c "$install_script" sh "$@" >&2
  else
    echo "error: please run: sudo apt-get install $*" >&2
    exit 1
  fi
}

case "${1:-}" in
  python)
    find_python && exit
    install python3 python3-venv
    find_python || { echo "error: Python 3.11 or newer is needed, with its venv module" >&2; exit 1; } ;;
  services)
    missing=$(missing_services)
    # shellcheck disable=SC2086  # one word a package
    [ -z "$missing" ] || install $missing ;;
  java)
    command -v java >/dev/null || install default-jre-headless ;;
  docs)
    missing=$(missing_for_docs)
    # shellcheck disable=SC2086  # one word a package
    [ -z "$missing" ] || install $missing ;;
  *) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
