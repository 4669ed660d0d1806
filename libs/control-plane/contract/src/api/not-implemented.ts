/**
 * Operations of Neon's published API that this control plane does not carry out: each is answered with 501 and its name. Any
 * other path is unknown (404).
 */
export interface NotImplementedOperation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
}

const TABLE = `
GET /projects/{project_id}/advisors getProjectAdvisorSecurityIssues
POST /projects/{project_id}/recover recoverProject
GET /projects/{project_id}/permissions listProjectPermissions
POST /projects/{project_id}/permissions grantPermissionToProject
DELETE /projects/{project_id}/permissions/{permission_id} revokePermissionFromProject
GET /projects/{project_id}/available_preload_libraries getAvailablePreloadLibraries
POST /projects/{project_id}/transfer_requests createProjectTransferRequest
PUT /projects/{project_id}/transfer_requests/{request_id} acceptProjectTransferRequest
GET /projects/{project_id}/jwks getProjectJWKS
POST /projects/{project_id}/jwks addProjectJWKS
DELETE /projects/{project_id}/jwks/{jwks_id} deleteProjectJWKS
POST /projects/{project_id}/branches/{branch_id}/data-api/{database_name} createProjectBranchDataAPI
PATCH /projects/{project_id}/branches/{branch_id}/data-api/{database_name} updateProjectBranchDataAPI
DELETE /projects/{project_id}/branches/{branch_id}/data-api/{database_name} deleteProjectBranchDataAPI
GET /projects/{project_id}/branches/{branch_id}/data-api/{database_name} getProjectBranchDataAPI
POST /projects/auth/create createNeonAuthIntegration
GET /projects/{project_id}/branches/{branch_id}/auth getNeonAuth
POST /projects/{project_id}/branches/{branch_id}/auth createNeonAuth
DELETE /projects/{project_id}/branches/{branch_id}/auth disableNeonAuth
GET /projects/{project_id}/auth/domains listNeonAuthRedirectURIWhitelistDomains
POST /projects/{project_id}/auth/domains addNeonAuthDomainToRedirectURIWhitelist
DELETE /projects/{project_id}/auth/domains deleteNeonAuthDomainFromRedirectURIWhitelist
GET /projects/{project_id}/branches/{branch_id}/auth/domains listBranchNeonAuthTrustedDomains
POST /projects/{project_id}/branches/{branch_id}/auth/domains addBranchNeonAuthTrustedDomain
DELETE /projects/{project_id}/branches/{branch_id}/auth/domains deleteBranchNeonAuthTrustedDomain
POST /projects/auth/keys createNeonAuthProviderSDKKeys
POST /projects/auth/user createNeonAuthNewUser
POST /projects/{project_id}/branches/{branch_id}/auth/users createBranchNeonAuthNewUser
DELETE /projects/{project_id}/branches/{branch_id}/auth/users/{auth_user_id} deleteBranchNeonAuthUser
PUT /projects/{project_id}/branches/{branch_id}/auth/users/{auth_user_id}/role updateNeonAuthUserRole
DELETE /projects/{project_id}/auth/users/{auth_user_id} deleteNeonAuthUser
POST /projects/auth/transfer_ownership transferNeonAuthProviderProject
GET /projects/{project_id}/auth/integrations listNeonAuthIntegrations
GET /projects/{project_id}/auth/oauth_providers listNeonAuthOauthProviders
POST /projects/{project_id}/auth/oauth_providers addNeonAuthOauthProvider
GET /projects/{project_id}/branches/{branch_id}/auth/oauth_providers listBranchNeonAuthOauthProviders
POST /projects/{project_id}/branches/{branch_id}/auth/oauth_providers addBranchNeonAuthOauthProvider
PATCH /projects/{project_id}/auth/oauth_providers/{oauth_provider_id} updateNeonAuthOauthProvider
DELETE /projects/{project_id}/auth/oauth_providers/{oauth_provider_id} deleteNeonAuthOauthProvider
PATCH /projects/{project_id}/branches/{branch_id}/auth/oauth_providers/{oauth_provider_id} updateBranchNeonAuthOauthProvider
DELETE /projects/{project_id}/branches/{branch_id}/auth/oauth_providers/{oauth_provider_id} deleteBranchNeonAuthOauthProvider
GET /projects/{project_id}/auth/email_server getNeonAuthEmailServer
PATCH /projects/{project_id}/auth/email_server updateNeonAuthEmailServer
POST /projects/{project_id}/branches/{branch_id}/auth/send_test_email sendNeonAuthTestEmail
GET /projects/{project_id}/branches/{branch_id}/auth/email_and_password getNeonAuthEmailAndPasswordConfig
PATCH /projects/{project_id}/branches/{branch_id}/auth/email_and_password updateNeonAuthEmailAndPasswordConfig
GET /projects/{project_id}/branches/{branch_id}/auth/email_provider getNeonAuthEmailProvider
PATCH /projects/{project_id}/branches/{branch_id}/auth/email_provider updateNeonAuthEmailProvider
DELETE /projects/{project_id}/auth/integration/{auth_provider} deleteNeonAuthIntegration
GET /projects/{project_id}/branches/{branch_id}/auth/allow_localhost getNeonAuthAllowLocalhost
PATCH /projects/{project_id}/branches/{branch_id}/auth/allow_localhost updateNeonAuthAllowLocalhost
GET /projects/{project_id}/branches/{branch_id}/auth/plugins getNeonAuthPluginConfigs
PATCH /projects/{project_id}/branches/{branch_id}/auth/plugins/organization updateNeonAuthOrganizationPlugin
PATCH /projects/{project_id}/branches/{branch_id}/auth/config updateNeonAuthConfig
PATCH /projects/{project_id}/branches/{branch_id}/auth/plugins/magic-link updateNeonAuthMagicLinkPlugin
GET /projects/{project_id}/branches/{branch_id}/auth/plugins/phone-number getNeonAuthPhoneNumberPlugin
PATCH /projects/{project_id}/branches/{branch_id}/auth/plugins/phone-number updateNeonAuthPhoneNumberPlugin
GET /projects/{project_id}/branches/{branch_id}/auth/webhooks getNeonAuthWebhookConfig
PUT /projects/{project_id}/branches/{branch_id}/auth/webhooks updateNeonAuthWebhookConfig
POST /projects/{project_id}/branch_anonymized createProjectBranchAnonymized
POST /projects/{project_id}/branches/{branch_id}/restore restoreProjectBranch
GET /projects/{project_id}/branches/{branch_id}/schema getProjectBranchSchema
GET /projects/{project_id}/branches/{branch_id}/compare_schema getProjectBranchSchemaComparison
GET /projects/{project_id}/branches/{branch_id}/masking_rules getMaskingRules
PATCH /projects/{project_id}/branches/{branch_id}/masking_rules updateMaskingRules
GET /projects/{project_id}/branches/{branch_id}/anonymized_status getAnonymizedBranchStatus
POST /projects/{project_id}/branches/{branch_id}/anonymize startAnonymization
POST /projects/{project_id}/branches/{branch_id}/set_as_default setDefaultProjectBranch
POST /projects/{project_id}/branches/{branch_id}/recover recoverProjectBranch
POST /projects/{project_id}/branches/{branch_id}/finalize_restore finalizeRestoreBranch
PATCH /projects/{project_id}/branches/{branch_id}/databases/{database_name} updateProjectBranchDatabase
GET /projects/{project_id}/vpc_endpoints listProjectVPCEndpoints
POST /projects/{project_id}/vpc_endpoints/{vpc_endpoint_id} assignProjectVPCEndpoint
DELETE /projects/{project_id}/vpc_endpoints/{vpc_endpoint_id} deleteProjectVPCEndpoint
GET /consumption_history/projects getConsumptionHistoryPerProject
GET /consumption_history/v2/projects getConsumptionHistoryPerProjectV2
GET /consumption_history/v2/branches getConsumptionHistoryPerBranchV2
GET /organizations/{org_id} getOrganization
GET /organizations/{org_id}/api_keys listOrgApiKeys
POST /organizations/{org_id}/api_keys createOrgApiKey
DELETE /organizations/{org_id}/api_keys/{key_id} revokeOrgApiKey
GET /organizations/{org_id}/billing/spending_limit getOrganizationSpendingLimit
PUT /organizations/{org_id}/billing/spending_limit setOrganizationSpendingLimit
DELETE /organizations/{org_id}/billing/spending_limit deleteOrganizationSpendingLimit
GET /organizations/{org_id}/members getOrganizationMembers
GET /organizations/{org_id}/members/{member_id} getOrganizationMember
PATCH /organizations/{org_id}/members/{member_id} updateOrganizationMember
DELETE /organizations/{org_id}/members/{member_id} removeOrganizationMember
GET /organizations/{org_id}/invitations getOrganizationInvitations
POST /organizations/{org_id}/invitations createOrganizationInvitations
POST /organizations/{source_org_id}/projects/transfer transferProjectsFromOrgToOrg
GET /organizations/{org_id}/vpc/vpc_endpoints listOrganizationVPCEndpointsAllRegions
GET /organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints listOrganizationVPCEndpoints
GET /organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints/{vpc_endpoint_id} getOrganizationVPCEndpointDetails
POST /organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints/{vpc_endpoint_id} assignOrganizationVPCEndpoint
DELETE /organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints/{vpc_endpoint_id} deleteOrganizationVPCEndpoint
POST /users/me/projects/transfer transferProjectsFromUserToOrg
POST /projects/{project_id}/branches/{branch_id}/snapshot createSnapshot
GET /projects/{project_id}/snapshots listSnapshots
DELETE /projects/{project_id}/snapshots/{snapshot_id} deleteSnapshot
PATCH /projects/{project_id}/snapshots/{snapshot_id} updateSnapshot
POST /projects/{project_id}/snapshots/{snapshot_id}/restore restoreSnapshot
GET /projects/{project_id}/branches/{branch_id}/backup_schedule getSnapshotSchedule
PUT /projects/{project_id}/branches/{branch_id}/backup_schedule setSnapshotSchedule
POST /projects/{project_id}/branches/{branch_id}/buckets createProjectBranchBucket
GET /projects/{project_id}/branches/{branch_id}/buckets listProjectBranchBuckets
DELETE /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name} deleteProjectBranchBucket
GET /projects/{project_id}/branches/{branch_id}/storage getProjectBranchStorage
GET /projects/{project_id}/branches/{branch_id}/ai_gateway getProjectBranchAiGateway
GET /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects listProjectBranchBucketObjects
DELETE /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key} deleteProjectBranchBucketObject
GET /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key}/download getProjectBranchBucketObject
DELETE /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects-by-prefix deleteProjectBranchBucketObjectsByPrefix
POST /projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key}/presign presignProjectBranchBucketObject
POST /projects/{project_id}/branches/{branch_id}/credentials createCredential
GET /projects/{project_id}/branches/{branch_id}/credentials listCredentials
DELETE /projects/{project_id}/branches/{branch_id}/credentials/{token_id} revokeCredential
GET /projects/{project_id}/branches/{branch_id}/functions listProjectBranchFunctions
GET /projects/{project_id}/branches/{branch_id}/functions/{slug} getProjectBranchFunction
PATCH /projects/{project_id}/branches/{branch_id}/functions/{slug} updateProjectBranchFunction
DELETE /projects/{project_id}/branches/{branch_id}/functions/{slug} deleteProjectBranchFunction
POST /projects/{project_id}/branches/{branch_id}/functions/{slug}/deployments createProjectBranchFunctionDeployment
`;

export const NOT_IMPLEMENTED: readonly NotImplementedOperation[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [method = '', path = '', operationId = ''] = line.split(' ');
    return { method, path, operationId };
  });
