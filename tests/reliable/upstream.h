/* Upstream's headers, and what differs in them between the series and the variants. The build says which of these
 * functions the very reliable.h declares:
 *   ACK_MRU          reliable_ack_write takes the list of ACKs to repeat
 *   ENTRY_SEQUENCED  reliable_get_entry_sequenced instead of reliable_get_buf_sequenced
 *   DELETED_INC_PID  reliable_mark_deleted takes a bool
 *   NUM_AVAILABLE    reliable_get_num_output_sequenced_available is there
 *   FREE_FREES       reliable_free frees the struct, too
 *   RESEND_LOWEST    reliable_get_buf_output_sequenced takes a bool pointer (retransmit-flag)
 *   SEND_TIMEOUT_TV  reliable_send_timeout_tv is there, and forward.c asks it for an earlier wake-up (recommended)
 *   REPEATED         reliable_repeated is there, and ssl.c tells it of packets that arrive again (recommended)
 *   N_SEND, N_REC    the release's own TLS_RELIABLE_N_SEND_BUFFERS and TLS_RELIABLE_N_REC_BUFFERS
 *   HORIZON, REFRESH its TLS_MULTI_HORIZON and TLS_MULTI_REFRESH
 *   MODERN           2.6 or newer
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "syshead.h"

#include "buffer.h"
#include "common.h"
#include "error.h"
#include "interval.h"
#include "otime.h"
#include "reliable.h"

enum
{
    ACK_MAX_WITH_DATA = 4, /* CONTROL_SEND_ACK_MAX in all series */
    OP_CONTROL = 4,        /* the wire's numbers: P_CONTROL_V1, P_ACK_V1, P_CONTROL_HARD_RESET_CLIENT_V2, _SERVER_V2 */
    OP_ACK = 5,
    OP_RESET_CLIENT = 7,
    OP_RESET_SERVER = 8
};

#endif
