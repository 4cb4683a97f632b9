/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relayd: options, wiring, signals.
 *
 *   configuration -> kernel, log, tunnels, libvirt, hooks -> relay -> bus, systemd
 *
 * The relay connects itself to all parts first; then each part is started, and what it has to say arrives from the main
 * loop. A stop goes the other way round and takes nothing away: routes, SAs and interfaces stay, and traffic goes on.
 */
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/bus/bus.h"
#include "daemon/config.h"
#include "daemon/logging.h"
#include "daemon/metrics/metrics.h"
#include "daemon/names.h"
#include "daemon/open-log.h"
#include "daemon/relay/relay.h"
#include "daemon/service.h"

#define EXIT_USAGE 2
#define READY_GRACE_S 15
#define FLUSH_GRACE_MS 1000 /* for the answer on the bus, and what charon has to be told */

typedef struct {
  char    *config, *export_log, *import_log;
  gboolean check_config, check_log, flush, verbose, version;
} Options;

typedef struct {
  const char     *config_file;
  VrConfig       *config;
  VrKernel       *kernel;
  VrLog          *log;
  VrTunnels      *tunnels;
  VrVirt         *virt;
  VrHookListener *hooks;
  VrRelay        *relay;
  VrBus          *bus;
  VrMetricsServer *metrics; /* NULL: not wanted */
  VrService      *service;
  GMainLoop      *loop;
} Daemon;

/* ---- signals ---- */

static gboolean
on_stop (gpointer data)
{
  Daemon *daemon = data;
  g_message ("stopping; traffic goes on");
  vr_service_stopping (daemon->service);
  g_main_loop_quit (daemon->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_flushed (VrRelay *relay, gpointer data)
{
  g_timeout_add (FLUSH_GRACE_MS, on_stop, data);
}

static void
say_changes (GPtrArray *changes)
{
  if (changes->len == 0)
    {
      g_message ("configuration read again: nothing changed");
      return;
    }
  g_ptr_array_add (changes, NULL);
  g_autofree char *keys = g_strjoinv (", ", (char **) changes->pdata);
  g_warning ("configuration changed, and counts from the next start on: %s; systemctl restart virt-relayd (traffic goes on)", keys);
}

static gboolean
on_reload (gpointer data)
{
  Daemon *daemon = data;
  g_autoptr (GError) error = NULL;
  vr_service_reloading (daemon->service);
  g_autoptr (VrConfig) config = vr_config_load (daemon->config_file, &error);
  if (config == NULL)
    g_warning ("configuration not taken, the old one stays: %s", error->message);
  else
    {
      g_autoptr (GPtrArray) changes = vr_config_changes (daemon->config, config);
      say_changes (changes);
    }
  vr_service_reloaded (daemon->service);
  return G_SOURCE_CONTINUE;
}

/* ---- the parts ---- */

static gboolean
daemon_make (Daemon *daemon, GError **error)
{
  const VrConfig *config = daemon->config;
  daemon->kernel = vr_kernel_new (error);
  if (daemon->kernel == NULL)
    return FALSE;
  daemon->log = vr_open_log (config, error);
  if (daemon->log == NULL)
    return FALSE;
  daemon->tunnels = vr_tunnels_new (daemon->kernel, config);
  daemon->virt = vr_virt_new (config->libvirt_uri, config->host->name);
  daemon->hooks = vr_hook_listener_new (NULL, NULL);
  daemon->relay = vr_relay_new (config, daemon->kernel, daemon->log, daemon->tunnels, daemon->virt, daemon->hooks);
  daemon->bus = vr_bus_new (daemon->relay, config->host->name, VR_VERSION);
  if (config->metrics_listen != NULL)
    daemon->metrics = vr_metrics_server_new (daemon->relay, config->host->name, VR_VERSION);
  daemon->service = vr_service_new (daemon->relay, READY_GRACE_S);
  daemon->loop = g_main_loop_new (NULL, FALSE);
  return TRUE;
}

/* Metrics are a help, and nothing that guests depend on. */
static void
start_metrics (Daemon *daemon)
{
  g_autoptr (GError) error = NULL;
  if (daemon->metrics != NULL && !vr_metrics_server_start (daemon->metrics, daemon->config->metrics_listen, &error))
    g_warning ("no metrics: %s", error->message);
}

static gboolean
daemon_start (Daemon *daemon, GError **error)
{
  vr_relay_start (daemon->relay);
  if (!vr_hook_listener_start (daemon->hooks, error)) /* first: a second virt-relayd ends here, and has touched nothing */
    return FALSE;
  vr_log_start (daemon->log);
  vr_tunnels_start (daemon->tunnels);
  vr_virt_start (daemon->virt);
  vr_bus_start (daemon->bus);
  start_metrics (daemon);
  return TRUE;
}

static void
daemon_stop (Daemon *daemon)
{
  vr_bus_stop (daemon->bus);
  vr_hook_listener_stop (daemon->hooks);
  vr_relay_stop (daemon->relay);
  vr_virt_stop (daemon->virt);
  vr_tunnels_stop (daemon->tunnels);
  vr_log_stop (daemon->log);
}

static void
daemon_clear (Daemon *daemon)
{
  g_clear_pointer (&daemon->service, vr_service_free);
  g_clear_pointer (&daemon->metrics, vr_metrics_server_free);
  g_clear_object (&daemon->bus);
  g_clear_object (&daemon->relay);
  g_clear_object (&daemon->hooks);
  g_clear_object (&daemon->virt);
  g_clear_object (&daemon->tunnels);
  g_clear_object (&daemon->log);
  g_clear_object (&daemon->kernel);
  g_clear_pointer (&daemon->loop, g_main_loop_unref);
  g_clear_pointer (&daemon->config, vr_config_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Daemon, daemon_clear)

static gboolean
run (const char *config_file, GError **error)
{
  g_auto (Daemon) daemon = { .config_file = config_file };
  daemon.config = vr_config_load (config_file, error);
  if (daemon.config == NULL || !daemon_make (&daemon, error) || !daemon_start (&daemon, error))
    return FALSE;

  g_signal_connect (daemon.relay, "flushed", G_CALLBACK (on_flushed), &daemon);
  g_unix_signal_add (SIGTERM, on_stop, &daemon);
  g_unix_signal_add (SIGINT, on_stop, &daemon);
  g_unix_signal_add (SIGHUP, on_reload, &daemon);
  g_message ("version %s, host %s", VR_VERSION, daemon.config->host->name);
  g_main_loop_run (daemon.loop);
  daemon_stop (&daemon);
  return TRUE;
}

/* ---- --check-config, --check-log, --export-log, --import-log, --flush ---- */

static gboolean
check_config (const char *config_file, GError **error)
{
  g_autoptr (VrConfig) config = vr_config_load (config_file, error);
  if (config == NULL)
    return FALSE;
  printf ("%s is right\n", config_file);
  return TRUE;
}

static gboolean
use_log (const Options *options, const char *config_file, GError **error)
{
  g_autoptr (VrConfig) config = vr_config_load (config_file, error);
  if (config == NULL)
    return FALSE;
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  gboolean ok = options->export_log != NULL ? vr_export_log (config, options->export_log, lines, error)
              : options->import_log != NULL ? vr_import_log (config, options->import_log, lines, error)
                                            : vr_open_log_check (config, lines, error);
  for (guint i = 0; i < lines->len; i++)
    printf ("%s\n", (char *) lines->pdata[i]);
  return ok;
}

/* Does a virt-relayd run here? It would put back what a flush takes away. */
static gboolean
somebody_listens (void)
{
  const char *path = g_getenv (VR_ENV_HOOK_SOCKET);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path != NULL ? path : VR_HOOK_SOCKET);
  g_autoptr (GSocketConnection) connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  return connection != NULL;
}

static gboolean
flush_kernel (GError **error)
{
  if (somebody_listens ())
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   "virt-relayd is running and would put everything back: systemctl stop virt-relayd, then flush");
      return FALSE;
    }
  g_autoptr (VrKernel) kernel = vr_kernel_new (error);
  return kernel != NULL && vr_kernel_flush (kernel, error);
}

/* ---- options ---- */

static gboolean
parse (Options *options, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config, "read FILE in place of " VR_CONFIG_FILE, "FILE" },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config, "say what is wrong with the configuration, and end", NULL },
    { "check-log", 0, 0, G_OPTION_ARG_NONE, &options->check_log, "say whether the migration log can be used, and end", NULL },
    { "export-log", 0, 0, G_OPTION_ARG_FILENAME, &options->export_log, "write all of the migration log into FILE, and end", "FILE" },
    { "import-log", 0, 0, G_OPTION_ARG_FILENAME, &options->import_log, "write FILE's records into the migration log, and end", "FILE" },
    { "flush", 0, 0, G_OPTION_ARG_NONE, &options->flush, "take everything of ours out of the kernel, and end", NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, "say more", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "print the version, and end", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (context, "virt-relay's daemon; see virt-relayd(8) and virt-relay.conf(5).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "\"%s\": no arguments are taken", argv[1]);
      return FALSE;
    }
  if (options->check_config + options->check_log + options->flush + (options->export_log != NULL) + (options->import_log != NULL) > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "--check-config, --check-log, --export-log, --import-log and --flush go one at a time");
      return FALSE;
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  Options options = { NULL };
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (!parse (&options, argc, argv, &error))
    {
      fprintf (stderr, "virt-relayd: %s; virt-relayd --help says how to call it\n", error->message);
      return EXIT_USAGE;
    }
  if (options.version)
    {
      printf ("virt-relayd %s\n", VR_VERSION);
      return EXIT_SUCCESS;
    }

  signal (SIGPIPE, SIG_IGN); /* charon and hooks may close while they are written to */
  vr_logging_init (options.verbose);
  const char *config_file = options.config != NULL ? options.config : VR_CONFIG_FILE;
  if (options.check_config)
    ok = check_config (config_file, &error);
  else if (options.check_log || options.export_log != NULL || options.import_log != NULL)
    ok = use_log (&options, config_file, &error);
  else if (options.flush)
    ok = flush_kernel (&error);
  else
    ok = run (config_file, &error);
  if (!ok)
    fprintf (stderr, "virt-relayd: %s\n", error->message);
  g_free (options.config);
  g_free (options.export_log);
  g_free (options.import_log);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
