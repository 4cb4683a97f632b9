/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we use of strongSwan's libvici.so.0. No distribution packages a header for it, so the functions are declared here. The ABI has
 * been the same since 5.9.8 (32-bit lengths on the wire, at most 512 KiB a message).
 *
 * Traps:
 *  - Only one thread at a time may use a connection. vici_submit() and vici_register() wait for the answer without a time limit, and
 *    vici_disconnect() while one of them waits frees what it waits on.
 *  - An event's callback runs in a thread of the library, under the connection's lock: a vici_submit() from it never returns.
 *  - Writing to a connection that charon closed raises SIGPIPE in the writing thread.
 *  - A connection that charon closes while nothing is being asked says so only at the next call.
 *  - With 5.9.8 a connection that charon closes while something is being asked says so 99 times in 100; else vici_submit() never returns, and
 *    a thread spins: the reader takes an old EAGAIN for its own.
 *  - Two connections in one process corrupt its memory (up to 6.0 at least): the thread that watches their sockets goes on using list
 *    entries that it freed while it waited. Programs died within 20 restarts of charon.
 *  - Answers are not checked against what was asked: one too many is taken for the next command's.
 *  - vici_init() starts four threads; two of them read input. A peer that stops in the middle of a message holds one of the two until it
 *    goes on or closes.
 *  - vici_init() registers the printf conversions %b %B %H %N %T %V %Y %R %P for the whole process; %b is no longer C23's binary.
 *  - The library writes its complaints to stderr.
 *  - Its sockets are not close-on-exec.
 */
#pragma once

/* One connection to charon, a message being built, a message received. */
typedef struct vici_conn_t vici_conn_t;
typedef struct vici_req_t  vici_req_t;
typedef struct vici_res_t  vici_res_t;

/* What vici_parse() found. */
typedef enum {
  VICI_PARSE_BEGIN_SECTION, /* has a name */
  VICI_PARSE_END_SECTION,
  VICI_PARSE_BEGIN_LIST,    /* has a name */
  VICI_PARSE_LIST_ITEM,     /* has a value */
  VICI_PARSE_END_LIST,
  VICI_PARSE_KEY_VALUE,     /* has a name and a value */
  VICI_PARSE_END,           /* of the message, which was well-formed */
  VICI_PARSE_ERROR,         /* the message is malformed */
} vici_parse_t;

/* Called for an event; res is the library's and ends with the callback. */
typedef void (*vici_event_cb_t) (void *user, char *name, vici_res_t *res);

/* Once in a process, before anything else. */
void vici_init (void);

/* Connects to unix://PATH or tcp://HOST:PORT. NULL: it failed, errno says why (or nothing, if the URI makes no sense). May block. */
vici_conn_t *vici_connect (char *uri);

/* Closes; waits for a callback that runs. Not while another thread is inside the connection. */
void vici_disconnect (vici_conn_t *conn);

/* Asks for events of a kind. 0: done; else errno says why not: ENOENT: charon knows no such event. */
int vici_register (vici_conn_t *conn, char *name, vici_event_cb_t callback, void *user);

/* Starts the request for a command; all names are at most 255 bytes, all values at most 65535. */
vici_req_t *vici_begin (char *command);
void        vici_begin_section (vici_req_t *req, char *name);
void        vici_end_section (vici_req_t *req);
void        vici_add_key_value (vici_req_t *req, char *key, void *value, int len);
void        vici_begin_list (vici_req_t *req, char *name);
void        vici_add_list_item (vici_req_t *req, void *value, int len);
void        vici_end_list (vici_req_t *req);

/* Sends the request, frees it, and waits for the answer. NULL: errno says why: ENOENT: charon does not know the command. */
vici_res_t *vici_submit (vici_req_t *req, vici_conn_t *conn);

/* Goes to the next element; its name and value are then valid until the answer is freed. */
vici_parse_t vici_parse (vici_res_t *res);
char        *vici_parse_name (vici_res_t *res);
void        *vici_parse_value (vici_res_t *res, int *len);

/* Frees an answer of vici_submit(), never an event's. */
void vici_free_res (vici_res_t *res);
