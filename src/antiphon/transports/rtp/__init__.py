"""Sound as packets: RTP, RTCP, codecs, and the clocks of both directions.

`RtpSession` is one call's media, `IncomingStream` its microphone, `OutgoingStream` its voice.
Nothing here knows how the packets travel, what encrypts them or who agreed upon them.
"""
