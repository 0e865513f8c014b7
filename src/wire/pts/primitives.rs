//! Which fields which primitive has, by its two letters (reference csp.md §8).

use super::Unreadable;
use super::fields::Fields;
use super::parts::{
    attribute, capabilities, client, contacts, functions, names, of_attributes, of_capabilities, of_client,
    of_contacts, of_functions, of_names, of_presences, of_properties, of_result, presences, properties,
    result, schema,
};
use super::value::Value;
use crate::imps::presence::PresenceSubList;
use crate::imps::primitive::{
    ClientCapabilityRequest, ClientCapabilityResponse, CreateAttributeListRequest, CreateListRequest,
    DeleteListRequest, DigestSchema, Disconnect, GetListResponse, GetPresenceRequest, GetPresenceResponse,
    KeepAliveRequest, KeepAliveResponse, ListManageRequest, ListManageResponse, LoginRequest, LoginResponse,
    NickList, Password, PresenceNotification, ServiceRequest, ServiceResponse, SubscribePresenceRequest,
    UpdatePresenceRequest,
};
use crate::imps::{Primitive, SessionId, Status, UserId};
use crate::wire::Mode;

/// The mode, session and primitive behind a code, which is in capitals.
pub(super) fn read(code: &str, fields: &Fields) -> Result<(Mode, Option<SessionId>, Primitive), Unreadable> {
    let request = |primitive: Primitive| (Mode::Request, primitive);
    let response = |primitive: Primitive| (Mode::Response, primitive);
    // Around a login the session is a field of the primitive.
    let session: Option<SessionId> = fields.get("SI")?;
    let around = if matches!(code, "LR" | "RL") { None } else { session.clone() };
    let (mode, primitive) = match code {
        "LR" => request(Primitive::LoginRequest(Box::new(LoginRequest {
            user: fields.need("UI")?,
            client: client(fields.text("CI")?.ok_or(Unreadable::Missing("CI"))?),
            application: None,
            password: fields.text("PW")?.map(|text| Password::new(String::from(text))),
            digest: fields.text("DB")?,
            schemas: fields.of("SH").flat_map(Value::items).filter_map(schema).collect(),
            session,
            time_to_live: fields.get("TL")?,
            cookie: fields.text("SC")?,
            responses: Vec::new(),
            functions: None,
            capabilities: None,
        }))),
        "RL" => response(Primitive::LoginResponse(Box::new(LoginResponse {
            user: None,
            client: client(fields.text("CI")?.ok_or(Unreadable::Missing("CI"))?),
            result: result(fields)?,
            nonce: fields.text("NO")?,
            schema: fields.get("DI")?,
            session,
            keep_alive: fields.get("KA")?,
            capability_request: fields.truth("CR")?,
            functions: None,
            agreed: None,
        }))),
        "OR" => request(Primitive::LogoutRequest),
        "PO" => request(Primitive::PollingRequest),
        "DI" => request(Disconnect { result: result(fields)? }.into()),
        "ST" => response(result(fields)?.into()),
        "KA" => request(KeepAliveRequest { time_to_live: fields.get("TL")? }.into()),
        "AK" => {
            response(KeepAliveResponse { result: result(fields)?, time_to_live: fields.get("KA")? }.into())
        }
        "CP" => request(
            ClientCapabilityRequest { client: None, capabilities: capabilities(fields, "CA")? }.into(),
        ),
        "PC" => {
            response(ClientCapabilityResponse { client: None, agreed: capabilities(fields, "AP")? }.into())
        }
        "SQ" => request(
            ServiceRequest {
                client: None,
                functions: functions(fields, "RF"),
                all_functions_request: fields.truth("AR")?.unwrap_or(false),
            }
            .into(),
        ),
        "QS" => response(
            ServiceResponse {
                client: None,
                functions: functions(fields, "NF"),
                all_functions: functions(fields, "AF"),
            }
            .into(),
        ),
        "GL" => request(Primitive::GetListRequest),
        "LG" => response(
            GetListResponse { result: Status::ok(), lists: fields.all("CL")?, default: fields.get("DC")? }
                .into(),
        ),
        "CL" => request(
            CreateListRequest {
                list: fields.need("CL")?,
                contacts: contacts(fields, "UN")?,
                properties: properties(fields)?,
            }
            .into(),
        ),
        "DL" => request(DeleteListRequest { list: fields.need("CL")? }.into()),
        "LM" => request(
            ListManageRequest {
                list: fields.need("CL")?,
                add: contacts(fields, "AN")?,
                remove: fields.all("RN")?,
                properties: properties(fields)?,
                receive: fields.truth("RL")?,
                authorize_and_grant: None,
            }
            .into(),
        ),
        "ML" => response(
            ListManageResponse {
                result: result(fields)?,
                contacts: match fields.of("UN").next() {
                    Some(_) => Some(NickList { contacts: contacts(fields, "UN")? }),
                    None => None,
                },
                properties: properties(fields)?,
            }
            .into(),
        ),
        "CA" => request(
            CreateAttributeListRequest {
                attributes: names(fields, "PS")?.ok_or(Unreadable::Missing("PS"))?,
                users: fields.all("UI")?,
                contact_lists: fields.all("CL")?,
                default_list: fields.truth("DL")?.unwrap_or(false),
                default_notify: None,
                user_notify: None,
                contact_list_notify: None,
            }
            .into(),
        ),
        "GP" => request(
            GetPresenceRequest {
                users: fields.all("UI")?,
                contact_lists: fields.all("CL")?,
                attributes: names(fields, "PS")?,
            }
            .into(),
        ),
        "PG" => {
            response(GetPresenceResponse { result: result(fields)?, presences: presences(fields)? }.into())
        }
        "SB" => request(
            SubscribePresenceRequest {
                users: fields.all("UI")?,
                contact_lists: fields.all("CL")?,
                attributes: names(fields, "PS")?,
                auto_subscribe: fields.truth("AS")?,
            }
            .into(),
        ),
        "UP" => {
            let read = fields.rows("UV").map(|row| attribute(row, "UV"));
            let attributes = PresenceSubList::new(read.collect::<Result<_, _>>()?);
            request(UpdatePresenceRequest { attributes }.into())
        }
        "PN" => request(PresenceNotification { users: Vec::new(), presences: presences(fields)? }.into()),
        "GB" => request(Primitive::GetBlockedListRequest),
        _ => return Err(Unreadable::Code(code.into())),
    };
    Ok((mode, around, primitive))
}

/// The code and the fields of a primitive; `None`: it has no code.
pub(super) fn write(
    primitive: &Primitive,
    mode: Mode,
    session: Option<&SessionId>,
) -> Option<(&'static str, Fields)> {
    let mut all = Fields::default();
    let fields = &mut all;
    if !matches!(primitive, Primitive::LoginRequest(_) | Primitive::LoginResponse(_)) {
        fields.say("SI", session);
    }
    let users = |users: &[UserId]| users.iter().map(|user| user.as_str().to_owned()).collect::<Vec<_>>();
    let is_answer = mode == Mode::Response;
    let code = match primitive {
        Primitive::LoginRequest(request) => {
            fields
                .say("UI", Some(&request.user))
                .say("CI", of_client(&request.client))
                .say("PW", request.password.as_ref().map(Password::clear))
                .say("DB", request.digest.as_deref());
            // One parameter each, as a real client has it.
            for schema in &request.schemas {
                fields.say("SH", Some(schema.as_str()));
            }
            fields
                .say("SI", request.session.as_ref())
                .say("TL", request.time_to_live)
                .say("SC", request.cookie.as_deref());
            "LR"
        }
        Primitive::LoginResponse(answer) => {
            fields
                .say("CI", of_client(&answer.client))
                .put("ST", Some(of_result(&answer.result)))
                .say("NO", answer.nonce.as_deref())
                .say("DI", answer.schema.map(DigestSchema::as_str))
                .say("SI", answer.session.as_ref())
                .say("KA", answer.keep_alive)
                .say_truth("CR", answer.capability_request);
            "RL"
        }
        Primitive::LogoutRequest => "OR",
        Primitive::PollingRequest => "PO",
        Primitive::Disconnect(told) => {
            fields.put("ST", Some(of_result(&told.result)));
            "DI"
        }
        Primitive::Status(status) if is_answer => {
            fields.put("ST", Some(of_result(status)));
            "ST"
        }
        Primitive::KeepAliveRequest(request) => {
            fields.say("TL", request.time_to_live);
            "KA"
        }
        Primitive::KeepAliveResponse(answer) => {
            fields.put("ST", Some(of_result(&answer.result))).say("KA", answer.time_to_live);
            "AK"
        }
        Primitive::ClientCapabilityRequest(request) => {
            fields.table("CA", of_capabilities(&request.capabilities));
            "CP"
        }
        Primitive::ClientCapabilityResponse(answer) => {
            fields.table("AP", of_capabilities(&answer.agreed));
            "PC"
        }
        Primitive::ServiceRequest(request) => {
            fields
                .say_all("RF", request.functions.iter().flat_map(|tree| of_functions(tree, false)))
                .say_truth("AR", Some(request.all_functions_request));
            "SQ"
        }
        Primitive::ServiceResponse(answer) => {
            fields
                .say_all("AF", answer.all_functions.iter().flat_map(|tree| of_functions(tree, false)))
                .say_all("NF", answer.functions.iter().flat_map(|tree| of_functions(tree, true)));
            "QS"
        }
        Primitive::GetListRequest => "GL",
        Primitive::GetListResponse(answer) => {
            fields
                .say_all("CL", answer.lists.iter().map(|list| list.as_str()))
                .say("DC", answer.default.as_ref());
            "LG"
        }
        Primitive::CreateListRequest(request) => {
            fields
                .say("CL", Some(&request.list))
                .table("UN", of_contacts(&request.contacts))
                .table("CP", of_properties(&request.properties));
            "CL"
        }
        Primitive::DeleteListRequest(request) => {
            fields.say("CL", Some(&request.list));
            "DL"
        }
        Primitive::ListManageRequest(request) => {
            fields
                .say("CL", Some(&request.list))
                .table("AN", of_contacts(&request.add))
                .say_all("RN", users(&request.remove))
                .table("CP", of_properties(&request.properties))
                .say_truth("RL", request.receive);
            "LM"
        }
        Primitive::ListManageResponse(answer) => {
            let contacts = answer.contacts.as_ref().map(|list| Value::Group(of_contacts(&list.contacts)));
            fields
                .put("ST", Some(of_result(&answer.result)))
                .put("UN", contacts)
                .table("CP", of_properties(&answer.properties));
            "ML"
        }
        Primitive::CreateAttributeListRequest(request) => {
            fields
                .put(
                    "PS",
                    Some(Value::list(of_names(&request.attributes).into_iter().map(Value::from).collect())),
                )
                .say_all("UI", users(&request.users))
                .say_all("CL", request.contact_lists.iter().map(|list| list.as_str()))
                .say_truth("DL", Some(request.default_list));
            "CA"
        }
        Primitive::GetPresenceRequest(request) => {
            fields
                .say_all("PS", request.attributes.iter().flat_map(of_names))
                .say_all("UI", users(&request.users))
                .say_all("CL", request.contact_lists.iter().map(|list| list.as_str()));
            "GP"
        }
        Primitive::GetPresenceResponse(answer) => {
            fields.put("ST", Some(of_result(&answer.result))).put("PR", of_presences(&answer.presences));
            "PG"
        }
        Primitive::SubscribePresenceRequest(request) => {
            fields
                .say_all("PS", request.attributes.iter().flat_map(of_names))
                .say_truth("AS", request.auto_subscribe)
                .say_all("UI", users(&request.users))
                .say_all("CL", request.contact_lists.iter().map(|list| list.as_str()));
            "SB"
        }
        Primitive::UpdatePresenceRequest(request) => {
            fields.table("UV", of_attributes(&request.attributes));
            "UP"
        }
        Primitive::PresenceNotification(told) => {
            fields.put("PR", of_presences(&told.presences));
            "PN"
        }
        Primitive::GetBlockedListRequest => "GB",
        _ => return None,
    };
    Some((code, all))
}
