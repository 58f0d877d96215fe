//! LiveKit's enums that clients see. LiveKit often adds members, so each enum keeps a name that it does not know.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($variant,)+
            /// A member newer than this build: LiveKit's name for it, or its number where LiveKit sent only that.
            Other(Arc<str>),
        }

        impl $name {
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }

            pub fn from_number(number: i64) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other.to_string().into()),
                }
            }

            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(name) => name,
                }
            }
        }

        impl Default for $name {
            /// The zero value, which LiveKit leaves out.
            fn default() -> Self {
                Self::from_number(0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer).map(|name| Self::from_name(&name))
            }
        }
    };
}

open_enum!(
    /// What a participant is (`ParticipantInfo.Kind` in `livekit_models.proto`).
    ParticipantKind {
        Standard = 0 "STANDARD",
        Ingress = 1 "INGRESS",
        Egress = 2 "EGRESS",
        Sip = 3 "SIP",
        Agent = 4 "AGENT",
        Connector = 7 "CONNECTOR",
        Bridge = 8 "BRIDGE",
    }
);

open_enum!(
    /// More about what a participant is (`ParticipantInfo.KindDetail`).
    KindDetail {
        CloudAgent = 0 "CLOUD_AGENT",
        Forwarded = 1 "FORWARDED",
        ConnectorWhatsapp = 2 "CONNECTOR_WHATSAPP",
        ConnectorTwilio = 3 "CONNECTOR_TWILIO",
        BridgeRtsp = 4 "BRIDGE_RTSP",
        Simulation = 5 "SIMULATION",
    }
);

open_enum!(
    /// Where a track comes from (`TrackSource`).
    TrackSource {
        Unknown = 0 "UNKNOWN",
        Camera = 1 "CAMERA",
        Microphone = 2 "MICROPHONE",
        ScreenShare = 3 "SCREEN_SHARE",
        ScreenShareAudio = 4 "SCREEN_SHARE_AUDIO",
    }
);

open_enum!(
    /// What a track carries (`TrackType`).
    TrackKind {
        Audio = 0 "AUDIO",
        Video = 1 "VIDEO",
        Data = 2 "DATA",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_known_by_name_and_by_number_and_an_unknown_one_keeps_its_own() {
        assert_eq!(ParticipantKind::from_name("AGENT"), ParticipantKind::Agent);
        assert_eq!(ParticipantKind::from_number(4), ParticipantKind::Agent);
        assert_eq!(ParticipantKind::from_name("ROBOT").as_str(), "ROBOT");
        assert_eq!(ParticipantKind::from_number(99).as_str(), "99");
        assert_eq!(TrackKind::default().as_str(), "AUDIO");
    }
}
