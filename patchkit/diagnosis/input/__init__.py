"""Input: files of all kinds as lines of OpenVPN's, one behind the other, in constant memory."""
