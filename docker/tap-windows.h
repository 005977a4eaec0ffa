/*
 * tap-windows.h: how OpenVPN talks to the driver of its virtual network adapter on Windows.
 *
 * OpenVPN 2.3 and later include a header of this name, which comes with the driver and not with OpenVPN. This one was
 * written for builds that have no copy of the driver at hand. It holds the interface only: request numbers, and
 * names in the registry and in the device tree. What the driver expects in a buffer is said at each request; all of it
 * goes in and comes back through one buffer.
 */

#ifndef PATCHKIT_TAP_WINDOWS_H
#define PATCHKIT_TAP_WINDOWS_H

#include <windows.h>
#include <winioctl.h>

/* A request is a number of the driver's own within the class of unknown devices; whoever has a handle may send it. */
#define TAP_WIN_CONTROL_CODE(request, method) CTL_CODE(FILE_DEVICE_UNKNOWN, request, method, FILE_ANY_ACCESS)

/* Questions. */
#define TAP_WIN_IOCTL_GET_MAC               TAP_WIN_CONTROL_CODE(1, METHOD_BUFFERED) /* six bytes */
#define TAP_WIN_IOCTL_GET_VERSION           TAP_WIN_CONTROL_CODE(2, METHOD_BUFFERED) /* ULONG: major, minor, debug */
#define TAP_WIN_IOCTL_GET_MTU               TAP_WIN_CONTROL_CODE(3, METHOD_BUFFERED) /* ULONG */
#define TAP_WIN_IOCTL_GET_INFO              TAP_WIN_CONTROL_CODE(4, METHOD_BUFFERED) /* text: state, counters */
#define TAP_WIN_IOCTL_GET_LOG_LINE          TAP_WIN_CONTROL_CODE(8, METHOD_BUFFERED) /* text; debug drivers only */

/* Settings. Addresses are IPv4, in network order. */
#define TAP_WIN_IOCTL_CONFIG_POINT_TO_POINT TAP_WIN_CONTROL_CODE(5, METHOD_BUFFERED) /* local, remote */
#define TAP_WIN_IOCTL_SET_MEDIA_STATUS      TAP_WIN_CONTROL_CODE(6, METHOD_BUFFERED) /* ULONG: cable plugged in? */
#define TAP_WIN_IOCTL_CONFIG_DHCP_MASQ      TAP_WIN_CONTROL_CODE(7, METHOD_BUFFERED) /* local, mask, server, seconds */
#define TAP_WIN_IOCTL_CONFIG_DHCP_SET_OPT   TAP_WIN_CONTROL_CODE(9, METHOD_BUFFERED) /* options as in a DHCP packet */
#define TAP_WIN_IOCTL_CONFIG_TUN            TAP_WIN_CONTROL_CODE(10, METHOD_BUFFERED) /* local, network, mask */

/* Windows' class of network adapters: their drivers are listed under the first key, their names under the second. */
#define ADAPTER_KEY \
    "SYSTEM\\CurrentControlSet\\Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define NETWORK_CONNECTIONS_KEY \
    "SYSTEM\\CurrentControlSet\\Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}"

/* An adapter is opened as USERMODEDEVICEDIR, its GUID, TAP_WIN_SUFFIX; the other two are the kernel's names for it. */
#define USERMODEDEVICEDIR "\\\\.\\Global\\"
#define SYSDEVICEDIR      "\\Device\\"
#define USERDEVICEDIR     "\\DosDevices\\Global\\"
#define TAP_WIN_SUFFIX    ".tap"

#endif
