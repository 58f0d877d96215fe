//! The events that LiveKit sends, by name.

macro_rules! webhook_names {
    ($($variant:ident $text:literal),+ $(,)?) => {
        /// The events that LiveKit knows (`webhook/consts.go` of livekit/protocol).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum WebhookName {
            $($variant,)+
            /// One that this build does not know.
            Other,
        }

        impl WebhookName {
            pub fn parse(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    _ => Self::Other,
                }
            }

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other => "other",
                }
            }
        }
    };
}

webhook_names! {
    RoomStarted "room_started",
    RoomFinished "room_finished",
    ParticipantJoined "participant_joined",
    ParticipantLeft "participant_left",
    ParticipantConnectionAborted "participant_connection_aborted",
    TrackPublished "track_published",
    TrackUnpublished "track_unpublished",
    EgressStarted "egress_started",
    EgressUpdated "egress_updated",
    EgressEnded "egress_ended",
    IngressStarted "ingress_started",
    IngressEnded "ingress_ended",
    AgentJobStarted "agent_job_started",
    AgentJobEnded "agent_job_ended",
}
